<?php
// A vendor's two applications in PHP, without extensions, and the traps they must not meet.
//
// usage: php honest_answers.php GATEWAY_URL

declare(strict_types=1);

const NAME = 'php';
const SENDER = 'mot-token';
const RECEIVER = 'hai-token';
const CHUNK = 1 << 20;

$gateway = $argv[1];
$scan = str_repeat('%PDF-1.4 ', 180_000);

function check(bool $holds, string $what, mixed $found = null): void
{
    if (!$holds) {
        fwrite(STDERR, $what . ': ' . json_encode($found, JSON_UNESCAPED_UNICODE) . "\n");
        exit(1);
    }
}

/** One call: its status and its JSON. */
function call(string $method, string $path, string $token, array|string|null $body = null): array
{
    global $gateway;
    $options = [
        'method' => $method,
        'header' => "authorization: Bearer $token\r\ncontent-type: application/json",
        'content' => is_array($body) ? json_encode($body) : ($body ?? ''),
        'ignore_errors' => true,
        'timeout' => 60,
    ];
    if (is_string($body)) {
        $options['header'] = "authorization: Bearer $token\r\ncontent-type: application/octet-stream";
    }
    $answer = file_get_contents($gateway . $path, false, stream_context_create(['http' => $options]));
    check($answer !== false, "$method $path was not answered");
    return [(int) explode(' ', $http_response_header[0])[1], json_decode($answer, true)];
}

function expect(int $status, string $method, string $path, string $token, array|string|null $body = null): array
{
    [$found, $content] = call($method, $path, $token, $body);
    check($found === $status, "$method $path gave $found", $content);
    return $content;
}

function hello(string $token, string $adapter): string
{
    return expect(200, 'POST', '/v1/hello', $token, ['adapter' => $adapter])['session'];
}

function settle(string $token, string $session, array $delivery, array $answer): void
{
    $named = ['session' => $session, 'message_id' => $delivery['message_id'], 'lease' => $delivery['lease']];
    expect(200, 'POST', '/v1/settle', $token, $named + $answer);
}

/** Polls until a delivery of this type comes. */
function poll(string $token, string $session, string $type): array
{
    $limit = microtime(true) + 30;
    while (microtime(true) < $limit) {
        $found = expect(200, 'GET', "/v1/receive?session=$session&wait_ms=2000", $token);
        foreach ($found['deliveries'] as $delivery) {
            if ($delivery['type'] === $type) {
                return $delivery;
            }
            settle($token, $session, $delivery, ['taken' => new stdClass()]);
        }
    }
    check(false, "no $type within 30 s");
}

function upload(string $part): void
{
    global $scan;
    $digest = hash('sha256', $scan);
    $size = strlen($scan);
    for ($offset = 0; $offset < $size; $offset += CHUNK) {
        $path = "/v1/parts/$part?offset=$offset&size=$size&sha256=$digest";
        $done = expect(200, 'PUT', $path, SENDER, substr($scan, $offset, CHUNK));
    }
    check($done['complete'], 'the upload is not complete', $done);
}

function item(string $key, string $issuedOn = '20/11/2026'): array
{
    global $scan;
    $document = [
        'Guid' => NAME . '-guid',
        'SoHieu' => '73',
        'KyHieu' => 'BC-VP',
        'TrichYeu' => 'Báo cáo từ ' . NAME,
        'NgayBanHanh' => $issuedOn,
        'DoMat' => '0',
        'DonViNhanVanBanNgoaDonVi' => [['MaDonVi' => 'A99.2']],
        'Attachments' => [
            ['Id' => '1', 'FileName' => 'bc.pdf', 'FilePath' => '/u/bc.pdf', 'FileSize' => (string) strlen($scan)],
        ],
    ];
    $body = json_encode(['Code' => 0, 'Value' => ['Total' => 1, 'Data' => [$document]]]);
    return [
        'key' => $key,
        'format' => 'ioffice.portal',
        'inline' => base64_encode($body),
        'attachments' => [['reference' => '/u/bc.pdf', 'part' => NAME . '-bc', 'file_name' => 'bc.pdf']],
    ];
}

function submit(): array
{
    return expect(200, 'POST', '/v1/submit', SENDER, item(NAME . '-1'))['receipt'];
}

/** Begins a long poll, and goes away while it waits. */
function abandonPoll(string $session): void
{
    global $gateway;
    $connection = stream_socket_client('tcp://' . parse_url($gateway, PHP_URL_HOST) . ':' . parse_url($gateway, PHP_URL_PORT));
    $path = "/v1/receive?session=$session&wait_ms=20000";
    fwrite($connection, "GET $path HTTP/1.1\r\nhost: x\r\nauthorization: Bearer " . RECEIVER . "\r\n\r\n");
    usleep(300_000);
    fclose($connection);
}

$own = hello(SENDER, NAME . '-sender');
$gone = hello(RECEIVER, NAME . '-gone');
$other = hello(RECEIVER, NAME . '-other');

// The receipt is lost: the same call again sends no file.
upload(NAME . '-bc');
$first = submit();
$again = submit();
check(!$first['repeat'] && $again['repeat'] && $again['message_id'] === $first['message_id'], 'no repeat', $again);

// The receiver refuses: the sender is told.
settle(RECEIVER, $gone, poll(RECEIVER, $gone, 'DOCUMENT'), ['refused' => ['reason' => 'Sai thẩm quyền']]);
$report = poll(SENDER, $own, 'DELIVERY_REPORT');
$words = base64_decode($report['inline']);
check(str_contains($words, 'Sai thẩm quyền') && str_contains($words, $first['message_id']), 'not reported', $words);
settle(SENDER, $own, $report, ['taken' => new stdClass()]);
$tracked = expect(200, 'GET', '/v1/track?key=' . NAME . '-1', SENDER)['messages'][0]['recipients'][0];
check($tracked['state'] === 'REFUSED' && $tracked['detail'] === 'Sai thẩm quyền', 'not tracked', $tracked);

// An adapter goes away in a poll. What was refused is sent again under the same key.
abandonPoll($gone);
upload(NAME . '-bc');
$second = submit();
check(!$second['repeat'] && $second['message_id'] !== $first['message_id'], 'not sent again', $second);

// The adapter that went away keeps nothing back from the next one.
$begun = microtime(true);
$delivery = poll(RECEIVER, $other, 'DOCUMENT');
check(microtime(true) - $begun < 5, 'the other session waited for the one that went away');
settle(RECEIVER, $other, $delivery, ['taken' => ['reference' => 'so-73']]);
$third = submit();
check($third['repeat'] && $third['message_id'] === $second['message_id'], 'no repeat', $third);

// A refusal at the door names its field.
upload(NAME . '-bc');
[$status, $refused] = call('POST', '/v1/submit', SENDER, item(NAME . '-bad', '31/02/2026'));
$fields = implode(' ', array_column($refused['violations'], 'field'));
check($status === 400 && str_contains($fields, 'NgayBanHanh'), 'not refused', $refused);
echo "passed\n";
