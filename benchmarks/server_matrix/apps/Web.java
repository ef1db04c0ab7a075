// The application behind the Java servers of the matrix: java Web SERVER PORT. It answers 200, and reads JSON nowhere.
import java.nio.charset.StandardCharsets;

public final class Web {
    static final String OK = "{\"ok\": true}";

    public static void main(String[] arguments) throws Exception {
        int port = Integer.parseInt(arguments[1]);
        switch (arguments[0]) {
            case "tomcat" -> tomcat(port);
            case "jetty" -> jetty(port);
            case "undertow" -> undertow(port);
            case "netty" -> netty(port);
            case "vertx" -> vertx(port);
            case "grizzly" -> grizzly(port);
            default -> jdk(port);
        }
        Thread.currentThread().join();
    }

    static void tomcat(int port) throws Exception {
        var tomcat = new org.apache.catalina.startup.Tomcat();
        tomcat.setBaseDir(System.getProperty("java.io.tmpdir"));
        tomcat.setHostname("127.0.0.1");
        tomcat.setPort(port);
        tomcat.getConnector().setProperty("address", "127.0.0.1");
        var context = tomcat.addContext("", null);
        org.apache.catalina.startup.Tomcat.addServlet(context, "all", new jakarta.servlet.http.HttpServlet() {
            @Override
            protected void service(
                    jakarta.servlet.http.HttpServletRequest request, jakarta.servlet.http.HttpServletResponse response)
                    throws java.io.IOException {
                request.getParameter("q");
                request.getCookies();
                request.getInputStream().readAllBytes();
                response.setContentType("application/json");
                response.getWriter().print(OK);
            }
        });
        context.addServletMappingDecoded("/*", "all");
        tomcat.start();
    }

    static void jetty(int port) throws Exception {
        var server = new org.eclipse.jetty.server.Server(new java.net.InetSocketAddress("127.0.0.1", port));
        server.setHandler(new org.eclipse.jetty.server.Handler.Abstract() {
            @Override
            public boolean handle(
                    org.eclipse.jetty.server.Request request,
                    org.eclipse.jetty.server.Response response,
                    org.eclipse.jetty.util.Callback callback)
                    throws Exception {
                org.eclipse.jetty.io.Content.Source.asByteBuffer(request);
                response.getHeaders().put("Content-Type", "application/json");
                org.eclipse.jetty.io.Content.Sink.write(response, true, OK, callback);
                return true;
            }
        });
        server.start();
    }

    static void undertow(int port) {
        io.undertow.Undertow.builder()
                .addHttpListener(port, "127.0.0.1")
                .setServerOption(io.undertow.UndertowOptions.MAX_ENTITY_SIZE, 1L << 20)
                .setHandler(new io.undertow.server.handlers.BlockingHandler(exchange -> {
                    exchange.getInputStream().readAllBytes();
                    exchange.getResponseHeaders().put(io.undertow.util.Headers.CONTENT_TYPE, "application/json");
                    exchange.getResponseSender().send(OK);
                }))
                .build()
                .start();
    }

    static void netty(int port) throws Exception {
        var group = new io.netty.channel.nio.NioEventLoopGroup(1);
        new io.netty.bootstrap.ServerBootstrap()
                .group(group)
                .channel(io.netty.channel.socket.nio.NioServerSocketChannel.class)
                .childHandler(new io.netty.channel.ChannelInitializer<io.netty.channel.socket.SocketChannel>() {
                    @Override
                    protected void initChannel(io.netty.channel.socket.SocketChannel channel) {
                        channel.pipeline()
                                .addLast(new io.netty.handler.codec.http.HttpServerCodec())
                                .addLast(new io.netty.handler.codec.http.HttpObjectAggregator(1 << 20))
                                .addLast(new NettyHandler());
                    }
                })
                .bind("127.0.0.1", port)
                .sync();
    }

    static final class NettyHandler
            extends io.netty.channel.SimpleChannelInboundHandler<io.netty.handler.codec.http.FullHttpRequest> {
        @Override
        protected void channelRead0(
                io.netty.channel.ChannelHandlerContext context, io.netty.handler.codec.http.FullHttpRequest request) {
            boolean broken = request.decoderResult().isFailure();
            var content = io.netty.buffer.Unpooled.copiedBuffer(broken ? "" : OK, StandardCharsets.UTF_8);
            var response = new io.netty.handler.codec.http.DefaultFullHttpResponse(
                    io.netty.handler.codec.http.HttpVersion.HTTP_1_1,
                    broken
                            ? io.netty.handler.codec.http.HttpResponseStatus.BAD_REQUEST
                            : io.netty.handler.codec.http.HttpResponseStatus.OK,
                    content);
            response.headers().set("content-length", content.readableBytes());
            context.writeAndFlush(response).addListener(io.netty.channel.ChannelFutureListener.CLOSE);
        }
    }

    static void vertx(int port) {
        io.vertx.core.Vertx.vertx()
                .createHttpServer()
                .requestHandler(request -> request.body().onComplete(
                        body -> request.response().putHeader("content-type", "application/json").end(OK)))
                .listen(port, "127.0.0.1");
    }

    static void grizzly(int port) throws Exception {
        var server = org.glassfish.grizzly.http.server.HttpServer.createSimpleServer(null, "127.0.0.1", port);
        server.getServerConfiguration().addHttpHandler(
                new org.glassfish.grizzly.http.server.HttpHandler() {
                    @Override
                    public void service(
                            org.glassfish.grizzly.http.server.Request request,
                            org.glassfish.grizzly.http.server.Response response)
                            throws Exception {
                        request.getInputStream().readAllBytes();
                        response.setContentType("application/json");
                        response.getWriter().write(OK);
                    }
                },
                "/");
        server.start();
    }

    static void jdk(int port) throws Exception {
        var server = com.sun.net.httpserver.HttpServer.create(new java.net.InetSocketAddress("127.0.0.1", port), 0);
        server.createContext("/", exchange -> {
            exchange.getRequestBody().readAllBytes();
            byte[] text = OK.getBytes(StandardCharsets.UTF_8);
            exchange.getResponseHeaders().set("Content-Type", "application/json");
            exchange.sendResponseHeaders(200, text.length);
            exchange.getResponseBody().write(text);
            exchange.close();
        });
        server.start();
    }
}
