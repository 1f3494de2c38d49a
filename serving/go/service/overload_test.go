package service

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
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
	if !w.intake.TryAcquire(largestBodies * w.settings.MaxBodyBytes) {
		t.Fatal("it is held already")
	}
	if answer := w.post("/v1/classify", "image/png", aPNG(t, "")); answer.Code != 429 {
		t.Error(answer.Code, answer.Body)
	}
	w.intake.Release(largestBodies * w.settings.MaxBodyBytes)
	w.post("/v1/classify", "image/png", aPNG(t, ""))
	if !w.intake.TryAcquire(largestBodies * w.settings.MaxBodyBytes) {
		t.Error("an answered request holds memory")
	}
}

func TestASlowBodyIsGivenUp(t *testing.T) {
	w := started(t, nil, func(read *settings.Settings) { read.BodySeconds = 0.05 })
	server := httptest.NewServer(w.Handler())
	defer server.Close()
	body, sender := io.Pipe()
	defer sender.Close()
	go func() { _, _ = sender.Write(bytes.Repeat([]byte("x"), 10)) }()
	answer, err := http.Post(server.URL+"/v1/classify", "image/png", body)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusRequestTimeout {
		t.Error(answer.Status)
	}
}
