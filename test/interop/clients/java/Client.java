import io.nats.client.*;
import io.nats.client.api.*;
import io.nats.client.impl.Headers;
import io.nats.service.*;
import java.io.FileInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.AtomicInteger;
import javax.net.ssl.*;

/**
 * A client of the interop tests: `Client.java SCENARIO URL [--flag value …]`. Runs one scenario against a server, and
 * ends with 0 when all of it came true; else it says what did not. test/interop/clients.test.ts drives it.
 */
public class Client {
    static final Duration DEADLINE = Duration.ofSeconds(5);
    static final BlockingQueue<String> errors = new LinkedBlockingQueue<>();
    static final CountDownLatch back = new CountDownLatch(1);

    interface Scenario {
        void run(Connection nc) throws Exception;
    }

    static final Map<String, Scenario> SCENARIOS = Map.ofEntries(
        Map.entry("publish-subscribe", Client::publishSubscribe),
        Map.entry("wildcards", Client::wildcards),
        Map.entry("queue-group", Client::queueGroup),
        Map.entry("request-reply", Client::requestReply),
        Map.entry("headers", Client::headers),
        Map.entry("no-responders", Client::noResponders),
        Map.entry("large-message", Client::largeMessage),
        Map.entry("unsubscribe-after", Client::unsubscribeAfter),
        Map.entry("drain", Client::drain),
        Map.entry("reconnect", Client::reconnect),
        Map.entry("forbidden", Client::forbidden),
        Map.entry("service", Client::service),
        Map.entry("jetstream", Client::jetstream));

    public static void main(String[] args) {
        try {
            String name = args[0];
            Options options = options(name, args[1], flags(args));
            if (name.equals("refused") || name.equals("no-handshake")) notConnected(name, options);
            else {
                try (Connection nc = Nats.connect(options)) {
                    SCENARIOS.get(name).run(nc);
                }
            }
            System.out.println("ok");
            System.exit(0);
        } catch (Throwable error) {
            error.printStackTrace();
            System.exit(1);
        }
    }

    static Map<String, String> flags(String[] args) {
        Map<String, String> flags = new HashMap<>();
        for (int i = 2; i < args.length; i++) {
            if (args[i].equals("--tls-first")) flags.put("tls-first", "");
            else flags.put(args[i].substring(2), args[++i]);
        }
        return flags;
    }

    static Options options(String name, String url, Map<String, String> flags) throws Exception {
        Options.Builder builder = new Options.Builder().server(url).connectionName("interop-java")
            .connectionTimeout(DEADLINE).reconnectWait(Duration.ofMillis(50))
            .maxReconnects(name.equals("reconnect") ? -1 : 0)
            .connectionListener((nc, event) -> {
                if (event == ConnectionListener.Events.RECONNECTED) back.countDown();
            })
            .errorListener(new ErrorListener() {
                @Override
                public void errorOccurred(Connection nc, String error) {
                    errors.add(error);
                }
            });
        if (flags.containsKey("user")) {
            builder.userInfo(flags.get("user").toCharArray(), flags.get("password").toCharArray());
        }
        if (flags.containsKey("token")) builder.token(flags.get("token").toCharArray());
        if (flags.containsKey("nkey")) {
            String seed = Files.readString(Path.of(flags.get("nkey"))).trim();
            builder.authHandler(Nats.staticCredentials(null, seed.toCharArray()));
        }
        if (flags.containsKey("creds")) builder.authHandler(Nats.credentials(flags.get("creds")));
        if (flags.containsKey("ca")) builder.sslContext(tls(flags));
        if (flags.containsKey("tls-first")) builder.tlsFirst();
        return builder.build();
    }

    static SSLContext tls(Map<String, String> flags) throws Exception {
        KeyStore trusted = KeyStore.getInstance("PKCS12");
        trusted.load(null, null);
        trusted.setCertificateEntry("ca", certificate(flags.get("ca")));
        TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(trusted);
        KeyManager[] keys = null;
        if (flags.containsKey("cert")) {
            String pem = Files.readString(Path.of(flags.get("key"))).replaceAll("-----.*?-----|\\s", "");
            PKCS8EncodedKeySpec spec = new PKCS8EncodedKeySpec(Base64.getDecoder().decode(pem));
            KeyStore own = KeyStore.getInstance("PKCS12");
            own.load(null, null);
            own.setKeyEntry("own", KeyFactory.getInstance("EC").generatePrivate(spec), new char[0],
                new Certificate[] {certificate(flags.get("cert"))});
            KeyManagerFactory factory = KeyManagerFactory.getInstance("PKIX");
            factory.init(own, new char[0]);
            keys = factory.getKeyManagers();
        }
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys, trust.getTrustManagers(), null);
        return context;
    }

    static Certificate certificate(String file) throws Exception {
        try (FileInputStream stream = new FileInputStream(file)) {
            return CertificateFactory.getInstance("X.509").generateCertificate(stream);
        }
    }

    static void expect(boolean isSo, Object... said) {
        if (!isSo) throw new AssertionError(Arrays.toString(said));
    }

    static String text(Message msg) {
        return msg == null ? "nothing" : new String(msg.getData(), StandardCharsets.UTF_8);
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static void publishSubscribe(Connection nc) throws Exception {
        Subscription sub = nc.subscribe("greet.joe");
        nc.publish("greet.joe", bytes("hello"));
        Message msg = sub.nextMessage(DEADLINE);
        expect(text(msg).equals("hello"), text(msg));
    }

    static void wildcards(Connection nc) throws Exception {
        Subscription star = nc.subscribe("w.*.c");
        Subscription tail = nc.subscribe("w.>");
        for (String subject : List.of("w.b.c", "w.b", "w.b.c.d", "x.b.c")) nc.publish(subject, null);
        nc.flush(DEADLINE);
        long starred = star.getPendingMessageCount();
        long tailed = tail.getPendingMessageCount();
        expect(starred == 1 && tailed == 3, starred, tailed);
    }

    static void queueGroup(Connection nc) throws Exception {
        Subscription first = nc.subscribe("jobs", "workers");
        Subscription second = nc.subscribe("jobs", "workers");
        for (int i = 0; i < 200; i++) nc.publish("jobs", null);
        nc.flush(DEADLINE);
        long a = first.getPendingMessageCount();
        long b = second.getPendingMessageCount();
        expect(a + b == 200 && a > 0 && b > 0, a, b);
    }

    static void requestReply(Connection nc) throws Exception {
        nc.createDispatcher(msg -> nc.publish(msg.getReplyTo(), bytes(text(msg) + text(msg)))).subscribe("double");
        for (String body : List.of("a", "bc", "")) {
            Message answer = nc.request("double", bytes(body), DEADLINE);
            expect(text(answer).equals(body + body), text(answer));
        }
    }

    static void headers(Connection nc) throws Exception {
        Subscription sub = nc.subscribe("with.headers");
        Headers sent = new Headers().add("Plant", "7", "8").add("case-Kept", "yes");
        nc.publish("with.headers", sent, bytes("body"));
        Message msg = sub.nextMessage(DEADLINE);
        expect(text(msg).equals("body") && msg.getHeaders().equals(sent), msg);
    }

    static void noResponders(Connection nc) throws Exception {
        try {
            nc.requestWithTimeout("nobody.listens", null, DEADLINE).get(2, TimeUnit.SECONDS);
        } catch (ExecutionException | CancellationException noResponders) {
            return;
        }
        throw new AssertionError("expected no responders");
    }

    static void largeMessage(Connection nc) throws Exception {
        Subscription sub = nc.subscribe("large");
        byte[] body = new byte[(int) nc.getMaxPayload()];
        nc.publish("large", body);
        Message msg = sub.nextMessage(DEADLINE);
        expect(msg != null && Arrays.equals(msg.getData(), body), msg);
    }

    static void unsubscribeAfter(Connection nc) throws Exception {
        Subscription sub = nc.subscribe("few");
        sub.unsubscribe(3);
        for (int i = 0; i < 10; i++) nc.publish("few", null);
        nc.flush(DEADLINE);
        long count = sub.getPendingMessageCount();
        expect(count == 3, count);
        // The server has removed it, so nobody answers.
        try {
            nc.requestWithTimeout("few", null, DEADLINE).get(2, TimeUnit.SECONDS);
        } catch (ExecutionException | CancellationException noResponders) {
            return;
        }
        throw new AssertionError("the subscription is still there");
    }

    static void drain(Connection nc) throws Exception {
        AtomicInteger got = new AtomicInteger();
        nc.createDispatcher(msg -> got.incrementAndGet()).subscribe("drained");
        for (int i = 0; i < 1000; i++) nc.publish("drained", null);
        boolean isDrained = nc.drain(DEADLINE).get(2 * DEADLINE.toMillis(), TimeUnit.MILLISECONDS);
        expect(isDrained && got.get() == 1000, isDrained, got);
    }

    /** The driver restarts the server when it reads `connected`. */
    static void reconnect(Connection nc) throws Exception {
        Subscription sub = nc.subscribe("again");
        nc.flush(DEADLINE);
        System.out.println("connected");
        expect(back.await(15, TimeUnit.SECONDS), "not connected again in time");
        nc.publish("again", bytes("after"));
        Message msg = sub.nextMessage(DEADLINE);
        expect(text(msg).equals("after"), text(msg));
    }

    /** The user may not publish or subscribe under `secret`; the connection outlives the attempt. */
    static void forbidden(Connection nc) throws Exception {
        nc.publish("secret.plan", null);
        expectViolation();
        nc.subscribe("secret.plan");
        nc.flush(DEADLINE);
        expectViolation();
        publishSubscribe(nc);
    }

    static void expectViolation() throws Exception {
        String error = errors.poll(5, TimeUnit.SECONDS);
        boolean isSo = error != null && error.contains("Permissions Violation") && error.contains("secret.plan");
        expect(isSo, error);
    }

    static void service(Connection nc) throws Exception {
        Service service = new ServiceBuilder().connection(nc).name("adder").version("1.0.0")
            .addServiceEndpoint(ServiceEndpoint.builder().endpointName("add")
                .handler(msg -> msg.respond(nc, "3")).build())
            .build();
        service.startService();
        nc.flush(DEADLINE);
        expect(text(nc.request("add", null, DEADLINE)).equals("3"), "no sum");
        String info = text(nc.request("$SRV.INFO.adder", null, DEADLINE));
        expect(info.contains(service.getId()), info);
        service.stop();
    }

    static void jetstream(Connection nc) throws Exception {
        JetStreamManagement management = nc.jetStreamManagement();
        management.addStream(StreamConfiguration.builder().name("JAVA").subjects("java.>").build());
        nc.jetStream().publish("java.1", bytes("kept"));
        ConsumerContext reader = nc.getStreamContext("JAVA")
            .createOrUpdateConsumer(ConsumerConfiguration.builder().durable("reader").build());
        Message msg = reader.next(DEADLINE);
        expect(text(msg).equals("kept"), text(msg));
        msg.ackSync(DEADLINE);
        management.deleteStream("JAVA");
    }

    static void notConnected(String name, Options options) throws Exception {
        try (Connection nc = Nats.connect(options)) {
            throw new AssertionError("expected no connection");
        } catch (java.io.IOException refused) {
            boolean isAuthentication = refused instanceof AuthenticationException
                || refused.getMessage().contains("Authorization Violation");
            expect(name.equals("no-handshake") || isAuthentication, refused);
        }
    }
}
