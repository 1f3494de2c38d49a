package service

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sightline/bundle"
)

func TestReadyOnlyWithAModelAndUntilTheEnd(t *testing.T) {
	empty := newWorld(t, bundle.Place{Folder: t.TempDir()}, nil)
	empty.follower.look()
	if answer := empty.get("/readyz"); answer.Code != 503 || errorCode(t, answer) != "not_ready" {
		t.Error(answer.Code, answer.Body)
	}
	if answer := empty.post("/v1/classify", "image/png", aPNG(t, "")); answer.Code != 503 {
		t.Error(answer.Code, answer.Body)
	}
	w := started(t, nil, nil)
	if answer := w.get("/readyz"); answer.Code != 200 {
		t.Error(answer.Code, answer.Body)
	}
	w.Drain()
	ready, live := w.get("/readyz"), w.get("/livez")
	if ready.Code != 503 || live.Code != 200 || live.Header().Get("Connection") != "close" {
		t.Error(ready.Code, live.Code, live.Header())
	}
}

func TestUnknownPathsAndMethodsAreErrorsInJSON(t *testing.T) {
	w := started(t, nil, nil)
	if answer := w.get("/v2/classify"); answer.Code != 404 || errorCode(t, answer) != "not_found" {
		t.Error(answer.Code, answer.Body)
	}
	answer := w.get("/v1/classify")
	if answer.Code != 405 || errorCode(t, answer) != "method_not_allowed" || answer.Header().Get("Allow") != "POST" {
		t.Error(answer.Code, answer.Body)
	}
}

func TestRequestIDIsTheClientsWhereItIsHarmless(t *testing.T) {
	w := started(t, nil, nil)
	for sent, keeps := range map[string]bool{"a-1.B_": true, "": false, "a b": false, strings.Repeat("a", 65): false} {
		request := httptest.NewRequest(http.MethodGet, "/livez", nil)
		request.Header.Set("X-Request-Id", sent)
		if got := w.send(request).Header().Get("X-Request-Id"); (got == sent) != keeps || got == "" {
			t.Errorf("%q: received %q", sent, got)
		}
	}
}

func TestAPanicIsAnswered(t *testing.T) {
	w := started(t, nil, nil)
	w.during = func() { panic("no such tensor") }
	answer := w.post("/v1/classify", "image/png", aPNG(t, ""))
	if answer.Code != 500 || strings.Contains(answer.Body.String(), "tensor") {
		t.Error(answer.Code, answer.Body)
	}
	w.during = func() {}
	if again := w.post("/v1/classify", "image/png", aPNG(t, "")); again.Code != 200 { // its slot was given back
		t.Error(again.Body)
	}
}

func TestModelsTellWhatServes(t *testing.T) {
	w := started(t, nil, nil)
	want := `{"name":"digits","default":true,"version":1,"loaded":true,"challenger":null,"task":"multi_class",` +
		`"class_names":["a","b","ç"],"image_size":[8,9],"runtime":"saved_model","precision":"float32"`
	if got := w.get("/v1/models").Body.String(); got != "["+want+"}]" {
		t.Errorf("received %s", got)
	}
	card := w.get("/v1/models/digits").Body.String()
	if !strings.HasPrefix(card, want) || !strings.HasSuffix(card, `"size_bytes":11,"metrics":{},"lineage":null}`) {
		t.Errorf("received %s", card)
	}
	if answer := w.get("/v1/models/flowers"); answer.Code != 404 || errorCode(t, answer) != "unknown_model" {
		t.Error(answer.Body)
	}
}

func TestMetricsSayThatTheServedVersionIsAbsentBeforeAFirstOne(t *testing.T) {
	empty := newWorld(t, bundle.Place{Folder: t.TempDir()}, nil)
	empty.follower.look()
	if text := empty.get("/metrics").Body.String(); strings.Contains(text, "sightline_served_version") {
		t.Error("it is there")
	}
	text := started(t, nil, nil).get("/metrics").Body.String()
	if !strings.Contains(text, "# HELP sightline_served_version The version that answers; absent until a first one") {
		t.Error("it is not said")
	}
}

func TestMetricsCountByRouteClassAndCache(t *testing.T) {
	w := started(t, nil, nil)
	w.post("/v1/classify", "image/png", aPNG(t, ""))
	w.post("/v1/classify", "image/png", aPNG(t, ""))
	w.get("/v1/nothing")
	text := w.get("/metrics").Body.String()
	for _, line := range []string{
		`sightline_requests_total{route="/v1/classify",status="200"} 2`,
		`sightline_requests_total{route="other",status="404"} 1`,
		`sightline_predictions_total{arm="champion",class_name="b",model="digits",version="1"} 2`,
		`sightline_cache_total{result="hit"} 1`, `sightline_cache_total{result="miss"} 1`,
		`sightline_served_version{arm="champion",model="digits"} 1`,
		`sightline_latency_seconds_count{phase="total"} 2`,
		`sightline_abstained_total{model="digits",version="1"} 0`,
		`sightline_confidence_bucket{model="digits",version="1",le="0.7"} 2`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no %s", line)
		}
	}
}
