// The application behind the JavaScript servers of the matrix: node web.js SERVER PORT. It reads JSON at /json.
const [server, port] = [process.argv[2], Number(process.argv[3])];
const read = (text) => { JSON.parse(text); return JSON.stringify({ ok: true }); };

if (server === "node" || server === "node-tls") {
  const listener = (request, response) => {
    let body = "";
    request.on("data", (part) => { body += part; });
    request.on("end", () => {
      response.setHeader("Content-Type", "application/json");
      try {
        response.end(request.url.startsWith("/json") ? read(body) : '{"ok": true}');
      } catch (error) {
        response.statusCode = 400;
        response.end(JSON.stringify({ error: `invalid JSON: ${error.message}` }));
      }
    });
  };
  require("node:http").createServer(listener).listen(port, "127.0.0.1");
  if (process.argv[4]) {
    const fs = require("node:fs");
    const keys = { key: fs.readFileSync(process.argv[5]), cert: fs.readFileSync(process.argv[6]) };
    require("node:https").createServer(keys, listener).listen(Number(process.argv[4]), "127.0.0.1");
  }
} else if (server === "express") {
  process.env.NODE_ENV = "production";
  const express = require("express");
  const app = express();
  app.use(express.json());
  app.use((request, response) => response.json({ ok: true }));
  app.listen(port, "127.0.0.1");
} else if (server === "fastify") {
  const app = require("fastify")();
  app.all("/*", async () => ({ ok: true }));
  app.listen({ port, host: "127.0.0.1" });
} else {
  const handle = async (request) => {
    const text = await request.text();
    try {
      const body = new URL(request.url).pathname.startsWith("/json") ? read(text) : '{"ok": true}';
      return new Response(body, { headers: { "Content-Type": "application/json" } });
    } catch (error) {
      return new Response(JSON.stringify({ error: `invalid JSON: ${error.message}` }), {
        status: 400,
        headers: { "Content-Type": "application/json" },
      });
    }
  };
  if (server === "bun") Bun.serve({ port, hostname: "127.0.0.1", fetch: handle, maxRequestBodySize: 1 << 20 });
  else Deno.serve({ port, hostname: "127.0.0.1" }, handle);
}
