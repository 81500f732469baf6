import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;

/**
 * Stands in for a coordinator: answers {@code GET /v1/info} as long as it lives, over the JDK's own
 * HTTP and TLS.
 *
 * <p>Arguments: address, port (0: any free one), and for HTTPS a key store and its password. Prints
 * {@code port N} once it listens and then each request's path; ends with its standard input.
 */
public final class Coordinator {
    private static final String INFO =
            "{\"nodeVersion\":{\"version\":\"1.11.0\"},\"environment\":\"openlookeng\","
                    + "\"coordinator\":true,\"starting\":false,\"uptime\":\"1.00m\"}";

    private Coordinator() {}

    public static void main(String[] args) throws Exception {
        InetSocketAddress address =
                new InetSocketAddress(InetAddress.getByName(args[0]), Integer.parseInt(args[1]));
        HttpServer server = args.length > 2 ? https(address, args[2], args[3]) : http(address);
        server.createContext("/", Coordinator::answer);
        server.start();
        System.out.println("port " + server.getAddress().getPort());
        while (System.in.read() >= 0) {
            continue;
        }
        Runtime.getRuntime().halt(0);
    }

    private static HttpServer http(InetSocketAddress address) throws IOException {
        return HttpServer.create(address, 0);
    }

    private static HttpServer https(InetSocketAddress address, String store, String password)
            throws Exception {
        KeyStore keys = KeyStore.getInstance("PKCS12");
        keys.load(Files.newInputStream(Path.of(store)), password.toCharArray());
        KeyManagerFactory factory =
                KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        factory.init(keys, password.toCharArray());
        SSLContext tls = SSLContext.getInstance("TLS");
        tls.init(factory.getKeyManagers(), null, null);
        HttpsServer server = HttpsServer.create(address, 0);
        server.setHttpsConfigurator(new HttpsConfigurator(tls));
        return server;
    }

    private static void answer(HttpExchange exchange) throws IOException {
        String path = exchange.getRequestURI().getPath();
        System.out.println(path);
        byte[] body = INFO.getBytes(StandardCharsets.UTF_8);
        boolean known = path.equals("/v1/info");
        exchange.getResponseHeaders().add("content-type", "application/json");
        exchange.sendResponseHeaders(known ? 200 : 404, known ? body.length : -1);
        if (known) {
            exchange.getResponseBody().write(body);
        }
        exchange.close();
    }
}
