// The application behind the Go servers of the matrix: main SERVER PORT [TLS-PORT KEY CERT]. It reads JSON at /json.
package main

import (
	"encoding/json"
	"io"
	"log"
	"net/http"
	"os"
	"strings"

	"github.com/valyala/fasthttp"
)

func check(path string, body []byte) (int, []byte) {
	var value any
	if strings.HasPrefix(path, "/json") {
		if err := json.Unmarshal(body, &value); err != nil {
			text, _ := json.Marshal(map[string]string{"error": "invalid JSON: " + err.Error()})
			return 400, text
		}
	}
	return 200, []byte(`{"ok": true}`)
}

func main() {
	address := "127.0.0.1:" + os.Args[2]
	if os.Args[1] == "fasthttp" {
		log.Fatal(fasthttp.ListenAndServe(address, func(ctx *fasthttp.RequestCtx) {
			status, text := check(string(ctx.Path()), ctx.PostBody())
			ctx.SetStatusCode(status)
			ctx.SetContentType("application/json")
			ctx.SetBody(text)
		}))
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		status, text := check(r.URL.Path, body)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		w.Write(text)
	})
	if len(os.Args) > 3 {
		go func() { log.Fatal(http.ListenAndServeTLS("127.0.0.1:"+os.Args[3], os.Args[5], os.Args[4], handler)) }()
	}
	log.Fatal(http.ListenAndServe(address, handler))
}
