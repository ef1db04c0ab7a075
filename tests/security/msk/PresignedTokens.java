import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import javax.security.auth.callback.Callback;
import javax.security.auth.callback.UnsupportedCallbackException;
import javax.security.auth.login.AppConfigurationEntry;
import org.apache.kafka.common.security.auth.AuthenticateCallbackHandler;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerExtensionsValidatorCallback;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerToken;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallback;

/** Takes tokens as AWS MSK does: each is a presigned request, whose signature (version 4) it computes again. */
public final class PresignedTokens implements AuthenticateCallbackHandler {
    private static final DateTimeFormatter TIME =
        DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'").withZone(ZoneOffset.UTC);
    private String secret;

    private record Token(String value, String principalName, Long startTimeMs, long lifetimeMs, Set<String> scope)
        implements OAuthBearerToken {}

    @Override
    public void configure(Map<String, ?> configs, String mechanism, List<AppConfigurationEntry> entries) {
        secret = (String) entries.get(0).getOptions().get("secret");
    }

    @Override
    public void close() {}

    @Override
    public void handle(Callback[] callbacks) throws UnsupportedCallbackException {
        for (Callback callback : callbacks) {
            if (callback instanceof OAuthBearerExtensionsValidatorCallback asked) {
                asked.inputExtensions().map().keySet().forEach(asked::valid);
            } else if (callback instanceof OAuthBearerValidatorCallback asked) {
                try {
                    asked.token(read(asked.tokenValue()));
                } catch (Exception refused) {
                    asked.error("invalid_token", null, null);
                }
            } else {
                throw new UnsupportedCallbackException(callback);
            }
        }
    }

    private Token read(String value) throws Exception {
        URI url = URI.create(new String(Base64.getUrlDecoder().decode(value), StandardCharsets.UTF_8));
        TreeMap<String, String> query = new TreeMap<>();
        for (String pair : url.getRawQuery().split("&")) {
            query.put(pair.substring(0, pair.indexOf('=')), pair.substring(pair.indexOf('=') + 1));
        }
        query.remove("User-Agent"); // added after the signature
        String signature = query.remove("X-Amz-Signature");
        String[] scope = URLDecoder.decode(query.get("X-Amz-Credential"), StandardCharsets.UTF_8).split("/");
        String time = query.get("X-Amz-Date");
        Instant signed = TIME.parse(time, Instant::from);
        Instant until = signed.plusSeconds(Long.parseLong(query.get("X-Amz-Expires")));
        boolean connects = query.get("Action").equals("kafka-cluster%3AConnect");
        if (!connects || Instant.now().isAfter(until) || !signature.equals(signature(url, query, scope, time))) {
            throw new SecurityException("refused");
        }
        return new Token(value, scope[0], signed.toEpochMilli(), until.toEpochMilli(), Set.of());
    }

    private String signature(URI url, Map<String, String> query, String[] scope, String time) throws Exception {
        String sent = query.entrySet().stream().map(one -> one.getKey() + "=" + one.getValue())
            .collect(Collectors.joining("&"));
        String request = "GET\n/\n" + sent + "\nhost:" + url.getHost() + "\n\nhost\n" + sha256("");
        String places = String.join("/", scope[1], scope[2], scope[3], scope[4]);
        byte[] key = ("AWS4" + secret).getBytes(StandardCharsets.UTF_8);
        for (int part = 1; part <= 4; part++) {
            key = hmac(key, scope[part]);
        }
        String text = "AWS4-HMAC-SHA256\n" + time + "\n" + places + "\n" + sha256(request);
        return HexFormat.of().formatHex(hmac(key, text));
    }

    private static byte[] hmac(byte[] key, String text) throws Exception {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        return mac.doFinal(text.getBytes(StandardCharsets.UTF_8));
    }

    private static String sha256(String text) throws Exception {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    }
}
