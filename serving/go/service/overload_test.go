package service

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"sightline/settings"
)

func TestOverloadIsRefusedAtOnce(t *testing.T) {
	w := started(t, nil, nil) // one thread, one waits
	begun, end, codes := make(chan bool, 2), make(chan bool), make(chan int, 2)
	w.during = func() { begun <- true; <-end }
	for number := range 2 {
		go func() { codes <- w.post("/v1/classify", "image/png", aPNG(t, fmt.Sprint(number))).Code }()
	}
	<-begun
	for w.workers.checkRoom() == nil {
		time.Sleep(time.Millisecond)
	}
	refused := w.post("/v1/classify", "image/png", aPNG(t, "third"))
	if refused.Code != 429 || refused.Header().Get("Retry-After") != "1" || errorCode(t, refused) != "overloaded" {
		t.Error(refused.Code, refused.Header(), refused.Body)
	}
	close(end)
	if first, second := <-codes, <-codes; first != 200 || second != 200 {
		t.Error(first, second)
	}
}

func TestALateAnswerIsATimeout(t *testing.T) {
	w := started(t, nil, func(read *settings.Settings) { read.AnswerSeconds = 0.02 })
	end := make(chan bool)
	w.during = func() { <-end }
	running := w.post("/v1/classify", "image/png", aPNG(t, "runs"))
	waiting := w.post("/v1/classify", "image/png", aPNG(t, "waits"))
	close(end)
	if running.Code != 504 || waiting.Code != 504 || w.runs.Load() != 1 { // what waited was never begun
		t.Error(running.Code, waiting.Code, w.runs.Load())
	}
}

func TestLargeBodiesShareBoundedMemory(t *testing.T) {
	w := started(t, nil, nil)
	others := largestBodies*w.settings.MaxBodyBytes - 3
	if !w.intake.TryAcquire(others) {
		t.Fatal("it is held already")
	}
	request := httptest.NewRequest(http.MethodPost, "/v1/classify", iotest.OneByteReader(bytes.NewReader(aPNG(t, ""))))
	request.Header.Set("Content-Type", "image/png")
	refused := w.send(request) // at its fourth byte
	if refused.Code != 429 || refused.Header().Get("Retry-After") != "1" || errorCode(t, refused) != "overloaded" {
		t.Error(refused.Code, refused.Header(), refused.Body)
	}
	w.intake.Release(others)
	w.post("/v1/classify", "image/png", aPNG(t, ""))
	if !w.intake.TryAcquire(largestBodies * w.settings.MaxBodyBytes) {
		t.Error("an answered or refused request holds memory")
	}
}

func TestWhoAnnouncesABodyAndSendsNoneHoldsNoMemory(t *testing.T) {
	w := started(t, nil, func(read *settings.Settings) { read.Queue = largestBodies }) // all end at once
	asked, end, codes := make(chan bool), make(chan bool), make(chan int)
	for number := range largestBodies {
		request := httptest.NewRequest(http.MethodPost, "/v1/classify", idle{asked, end})
		request.Header.Set("Content-Type", "image/png")
		if number%2 == 0 { // of the others the length is unknown
			request.ContentLength = w.settings.MaxBodyBytes
		}
		go func() { codes <- w.send(request).Code }()
		<-asked
	}
	if answer := w.post("/v1/classify", "image/png", aPNG(t, "")); answer.Code != 200 {
		t.Error(answer.Code, answer.Body)
	}
	close(end)
	for range largestBodies {
		if code := <-codes; code != 400 { // no image
			t.Error(code)
		}
	}
}

// idle is a body that says when it is read, and gives nothing until the end.
type idle struct{ asked, end chan bool }

func (b idle) Read([]byte) (int, error) {
	b.asked <- true
	<-b.end
	return 0, io.EOF
}

func TestASlowBodyIsGivenUp(t *testing.T) {
	w := started(t, nil, func(read *settings.Settings) { read.BodySeconds = 0.05 })
	server := httptest.NewServer(w.Handler())
	defer server.Close()
	for request, want := range map[string]string{
		"/v1/classify HTTP/1.1\r\nTransfer-Encoding: chunked": "408",
		"/v1/classify HTTP/1.1\r\nContent-Length: 500":        "408",
		"/v1/nothing HTTP/1.1\r\nContent-Length: 500":         "404", // refused unread
	} {
		client, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = client.SetDeadline(time.Now().Add(5 * time.Second))
		_, _ = fmt.Fprintf(client, "POST %s\r\nHost: x\r\nContent-Type: image/png\r\n\r\n3\r\nabc\r\n", request)
		answer, err := io.ReadAll(client) // until the service closes the connection
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 "+want) {
			t.Errorf("%q: received %.40q, %v", request, answer, err)
		}
		_ = client.Close()
	}
}
