// A vendor's two applications in Java, with the standard library alone, and the traps they must not meet.
//
// usage: java HonestAnswers.java GATEWAY_URL

import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.regex.Pattern;

public final class HonestAnswers {
    static final String NAME = "java";
    static final String SENDER = "mot-token";
    static final String RECEIVER = "hai-token";
    static final int CHUNK = 1 << 20;
    static final byte[] SCAN = "%PDF-1.4 ".repeat(180_000).getBytes(StandardCharsets.US_ASCII);

    static final HttpClient CLIENT = HttpClient.newHttpClient();
    static String gateway;

    record Answer(int status, String text) {
        /** The first value of a field: the standard library has no JSON. */
        String field(String name) {
            var found = Pattern.compile("\"" + name + "\":\\s*(?:\"([^\"]*)\"|([^,}\\]]+))").matcher(text);
            check(found.find(), "no " + name, text);
            return found.group(1) != null ? found.group(1) : found.group(2).trim();
        }

        boolean isRepeat() {
            return field("repeat").equals("true");
        }
    }

    static void check(boolean holds, String what, Object found) {
        if (!holds) {
            throw new AssertionError(what + ": " + found);
        }
    }

    static Answer call(String method, String path, String token, byte[] body) throws Exception {
        var request = HttpRequest.newBuilder(URI.create(gateway + path))
            .header("authorization", "Bearer " + token)
            .timeout(Duration.ofSeconds(60))
            .method(method, body == null ? BodyPublishers.noBody() : BodyPublishers.ofByteArray(body));
        var answer = CLIENT.send(request.build(), BodyHandlers.ofString(StandardCharsets.UTF_8));
        return new Answer(answer.statusCode(), answer.body());
    }

    static Answer expect(int status, String method, String path, String token, String body) throws Exception {
        var answer = call(method, path, token, body == null ? null : body.getBytes(StandardCharsets.UTF_8));
        check(answer.status() == status, method + " " + path, answer);
        return answer;
    }

    static String hello(String token, String adapter) throws Exception {
        return expect(200, "POST", "/v1/hello", token, "{\"adapter\": \"" + adapter + "\"}").field("session");
    }

    static void settle(String token, String session, Answer delivery, String answer) throws Exception {
        var body = "{\"session\": \"%s\", \"message_id\": \"%s\", \"lease\": %s, %s}";
        var lease = delivery.field("lease");
        expect(200, "POST", "/v1/settle", token, body.formatted(session, delivery.field("message_id"), lease, answer));
    }

    /** Polls, one delivery at a time, until one of this type comes. */
    static Answer poll(String token, String session, String type) throws Exception {
        var limit = System.nanoTime() + Duration.ofSeconds(30).toNanos();
        while (System.nanoTime() < limit) {
            var found = expect(200, "GET", "/v1/receive?wait_ms=2000&session=" + session, token, null);
            if (!found.text().contains("message_id")) {
                continue;
            }
            if (found.text().contains("\"" + type + "\"")) {
                return found;
            }
            settle(token, session, found, "\"taken\": {}");
        }
        throw new AssertionError("no " + type + " within 30 s");
    }

    static void upload(String part) throws Exception {
        var digest = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(SCAN));
        Answer done = null;
        for (var offset = 0; offset < SCAN.length; offset += CHUNK) {
            var path = "/v1/parts/%s?offset=%d&size=%d&sha256=%s".formatted(part, offset, SCAN.length, digest);
            done = call("PUT", path, SENDER, Arrays.copyOfRange(SCAN, offset, Math.min(offset + CHUNK, SCAN.length)));
            check(done.status() == 200, "upload", done);
        }
        check(done.field("complete").equals("true"), "the upload is not complete", done);
    }

    static String item(String key, String issuedOn) {
        var document = """
            {"Code": 0, "Value": {"Total": 1, "Data": [{"Guid": "%1$s-guid", "SoHieu": "75", "KyHieu": "BC-VP",
            "TrichYeu": "Báo cáo từ %1$s", "NgayBanHanh": "%2$s", "DoMat": "0",
            "DonViNhanVanBanNgoaDonVi": [{"MaDonVi": "A99.2"}], "Attachments": [{"Id": "1", "FileName": "bc.pdf",
            "FilePath": "/u/bc.pdf", "FileSize": "%3$d"}]}]}}""".formatted(NAME, issuedOn, SCAN.length);
        var body = Base64.getEncoder().encodeToString(document.getBytes(StandardCharsets.UTF_8));
        return """
            {"key": "%s", "format": "ioffice.portal", "inline": "%s",
            "attachments": [{"reference": "/u/bc.pdf", "part": "%s-bc", "file_name": "bc.pdf"}]}"""
            .formatted(key, body, NAME);
    }

    static Answer submit() throws Exception {
        return expect(200, "POST", "/v1/submit", SENDER, item(NAME + "-1", "20/11/2026"));
    }

    /** Begins a long poll, and goes away while it waits. */
    static void abandonPoll(String session) throws Exception {
        var address = URI.create(gateway);
        try (var connection = new Socket(address.getHost(), address.getPort())) {
            var request = "GET /v1/receive?wait_ms=20000&session=%s HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %s\r\n\r\n";
            var output = connection.getOutputStream();
            output.write(request.formatted(session, RECEIVER).getBytes(StandardCharsets.US_ASCII));
            output.flush();
            Thread.sleep(300);
        }
    }

    public static void main(String[] arguments) throws Exception {
        gateway = arguments[0];
        var own = hello(SENDER, NAME + "-sender");
        var gone = hello(RECEIVER, NAME + "-gone");
        var other = hello(RECEIVER, NAME + "-other");

        // The receipt is lost: the same call again sends no file.
        upload(NAME + "-bc");
        var first = submit();
        var again = submit();
        var firstId = first.field("message_id");
        check(!first.isRepeat() && again.isRepeat() && again.field("message_id").equals(firstId), "no repeat", again);

        // The receiver refuses: the sender is told.
        var reason = "\"refused\": {\"reason\": \"Sai thẩm quyền\"}";
        settle(RECEIVER, gone, poll(RECEIVER, gone, "DOCUMENT"), reason);
        var report = poll(SENDER, own, "DELIVERY_REPORT");
        var words = new String(Base64.getDecoder().decode(report.field("inline")), StandardCharsets.UTF_8);
        check(words.contains("Sai thẩm quyền") && words.contains(firstId), "not reported", words);
        settle(SENDER, own, report, "\"taken\": {}");
        var tracked = expect(200, "GET", "/v1/track?key=" + NAME + "-1", SENDER, null).text();
        check(tracked.contains("\"REFUSED\"") && tracked.contains("Sai thẩm quyền"), "not tracked", tracked);

        // An adapter goes away in a poll. What was refused is sent again under the same key.
        abandonPoll(gone);
        upload(NAME + "-bc");
        var second = submit();
        var secondId = second.field("message_id");
        check(!second.isRepeat() && !secondId.equals(firstId), "not sent again", second);

        // The adapter that went away keeps nothing back from the next one.
        var begun = System.nanoTime();
        var delivery = poll(RECEIVER, other, "DOCUMENT");
        var waited = Duration.ofNanos(System.nanoTime() - begun);
        check(waited.toSeconds() < 5, "the other session waited for the one that went away", waited);
        settle(RECEIVER, other, delivery, "\"taken\": {\"reference\": \"so-75\"}");
        var third = submit();
        check(third.isRepeat() && third.field("message_id").equals(secondId), "no repeat", third);

        // A refusal at the door names its field.
        upload(NAME + "-bc");
        var bad = item(NAME + "-bad", "31/02/2026").getBytes(StandardCharsets.UTF_8);
        var refused = call("POST", "/v1/submit", SENDER, bad);
        check(refused.status() == 400 && refused.text().contains("NgayBanHanh"), "not refused", refused);
        System.out.println("passed");
    }
}
