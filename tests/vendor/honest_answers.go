// A vendor's two applications in Go, with the standard library alone, and the traps they must not meet.
//
// usage: go run honest_answers.go GATEWAY_URL
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

const (
	name     = "go"
	sender   = "mot-token"
	receiver = "hai-token"
	chunk    = 1 << 20
)

var (
	gateway = os.Args[1]
	scan    = bytes.Repeat([]byte("%PDF-1.4 "), 180_000)
)

type object = map[string]any

type delivery struct {
	MessageID string `json:"message_id"`
	Lease     uint64 `json:"lease"`
	Type      string `json:"type"`
	Inline    []byte `json:"inline"`
}

type receipt struct {
	MessageID string `json:"message_id"`
	Repeat    bool   `json:"repeat"`
}

func check(holds bool, what string, found any) {
	if !holds {
		log.Fatalf("%s: %+v", what, found)
	}
}

// Makes a call and decodes its JSON.
func call(method, path, token string, body []byte, content any) (int, string) {
	request, err := http.NewRequest(method, gateway+path, bytes.NewReader(body))
	check(err == nil, "request", err)
	request.Header.Set("authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(request)
	check(err == nil, "call", err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	check(err == nil, "answer", err)
	check(json.Unmarshal(text, content) == nil, "no JSON", string(text))
	return answer.StatusCode, string(text)
}

func expect(status int, method, path, token string, body []byte, content any) {
	found, text := call(method, path, token, body, content)
	check(found == status, method+" "+path, text)
}

func encode(value any) []byte {
	text, err := json.Marshal(value)
	check(err == nil, "encode", err)
	return text
}

func hello(token, adapter string) string {
	var opened struct{ Session string }
	expect(200, "POST", "/v1/hello", token, encode(object{"adapter": adapter}), &opened)
	return opened.Session
}

func settle(token, session string, it delivery, answer string, content object) {
	body := object{"session": session, "message_id": it.MessageID, "lease": it.Lease, answer: content}
	expect(200, "POST", "/v1/settle", token, encode(body), &object{})
}

// Polls until a delivery of this type comes.
func poll(token, session, kind string) delivery {
	limit := time.Now().Add(30 * time.Second)
	for time.Now().Before(limit) {
		var found struct{ Deliveries []delivery }
		expect(200, "GET", "/v1/receive?wait_ms=2000&session="+session, token, nil, &found)
		for _, it := range found.Deliveries {
			if it.Type == kind {
				return it
			}
			settle(token, session, it, "taken", object{})
		}
	}
	log.Fatalf("no %s within 30 s", kind)
	return delivery{}
}

func upload(part string) {
	digest := sha256.Sum256(scan)
	var done struct{ Complete bool }
	for offset := 0; offset < len(scan); offset += chunk {
		end := min(offset+chunk, len(scan))
		path := fmt.Sprintf("/v1/parts/%s?offset=%d&size=%d&sha256=%s", part, offset, len(scan), hex.EncodeToString(digest[:]))
		expect(200, "PUT", path, sender, scan[offset:end], &done)
	}
	check(done.Complete, "the upload is not complete", done)
}

func min(one, other int) int {
	if one < other {
		return one
	}
	return other
}

func item(key, issuedOn string) []byte {
	document := object{
		"Guid": name + "-guid", "SoHieu": "74", "KyHieu": "BC-VP", "TrichYeu": "Báo cáo từ " + name,
		"NgayBanHanh": issuedOn, "DoMat": "0",
		"DonViNhanVanBanNgoaDonVi": []object{{"MaDonVi": "A99.2"}},
		"Attachments": []object{
			{"Id": "1", "FileName": "bc.pdf", "FilePath": "/u/bc.pdf", "FileSize": fmt.Sprint(len(scan))},
		},
	}
	body := encode(object{"Code": 0, "Value": object{"Total": 1, "Data": []object{document}}})
	return encode(object{
		"key": key, "format": "ioffice.portal", "inline": base64.StdEncoding.EncodeToString(body),
		"attachments": []object{{"reference": "/u/bc.pdf", "part": name + "-bc", "file_name": "bc.pdf"}},
	})
}

func submit() receipt {
	var submitted struct{ Receipt receipt }
	expect(200, "POST", "/v1/submit", sender, item(name+"-1", "20/11/2026"), &submitted)
	return submitted.Receipt
}

// Begins a long poll, and goes away while it waits.
func abandonPoll(session string) {
	address, err := url.Parse(gateway)
	check(err == nil, "address", err)
	connection, err := net.Dial("tcp", address.Host)
	check(err == nil, "connect", err)
	path := "/v1/receive?wait_ms=20000&session=" + session
	fmt.Fprintf(connection, "GET %s HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %s\r\n\r\n", path, receiver)
	time.Sleep(300 * time.Millisecond)
	connection.Close()
}

func main() {
	own := hello(sender, name+"-sender")
	gone, other := hello(receiver, name+"-gone"), hello(receiver, name+"-other")

	// The receipt is lost: the same call again sends no file.
	upload(name + "-bc")
	first, again := submit(), submit()
	check(!first.Repeat && again.Repeat && again.MessageID == first.MessageID, "no repeat", again)

	// The receiver refuses: the sender is told.
	settle(receiver, gone, poll(receiver, gone, "DOCUMENT"), "refused", object{"reason": "Sai thẩm quyền"})
	report := poll(sender, own, "DELIVERY_REPORT")
	words := string(report.Inline)
	check(strings.Contains(words, "Sai thẩm quyền") && strings.Contains(words, first.MessageID), "not reported", words)
	settle(sender, own, report, "taken", object{})
	var tracked struct {
		Messages []struct {
			Recipients []struct{ State, Detail string }
		}
	}
	expect(200, "GET", "/v1/track?key="+name+"-1", sender, nil, &tracked)
	recipient := tracked.Messages[0].Recipients[0]
	check(recipient.State == "REFUSED" && recipient.Detail == "Sai thẩm quyền", "not tracked", tracked)

	// An adapter goes away in a poll. What was refused is sent again under the same key.
	abandonPoll(gone)
	upload(name + "-bc")
	second := submit()
	check(!second.Repeat && second.MessageID != first.MessageID, "not sent again", second)

	// The adapter that went away keeps nothing back from the next one.
	begun := time.Now()
	offered := poll(receiver, other, "DOCUMENT")
	check(time.Since(begun) < 5*time.Second, "the other session waited for the one that went away", begun)
	settle(receiver, other, offered, "taken", object{"reference": "so-74"})
	third := submit()
	check(third.Repeat && third.MessageID == second.MessageID, "no repeat", third)

	// A refusal at the door names its field.
	upload(name + "-bc")
	status, refused := call("POST", "/v1/submit", sender, item(name+"-bad", "31/02/2026"), &object{})
	check(status == 400 && strings.Contains(refused, "NgayBanHanh"), "not refused", refused)
	fmt.Println("passed")
}
