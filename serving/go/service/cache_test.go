package service

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"
	"time"

	"sightline/settings"
)

func cached(t *testing.T, w *world, header string) bool {
	t.Helper()
	request := httptest.NewRequest(http.MethodPost, "/v1/classify", bytes.NewReader(aPNG(t, "")))
	request.Header.Set("Content-Type", "image/png")
	request.Header.Set("Cache-Control", header)
	return read[struct{ Cached bool }](t, w.send(request)).Cached
}

func TestCacheRemembersAnImageUnlessAFreshLookIsAsked(t *testing.T) {
	w := started(t, nil, nil)
	got := []bool{cached(t, w, ""), cached(t, w, ""), cached(t, w, "No-Cache"), cached(t, w, "")}
	if fmt.Sprint(got) != "[false true false true]" || w.runs.Load() != 2 {
		t.Errorf("received %v after %d runs", got, w.runs.Load())
	}
}

func TestCacheOfNoMegabytesRemembersNothing(t *testing.T) {
	w := started(t, nil, func(read *settings.Settings) { read.CacheMegabytes = 0 })
	if cached(t, w, "") || cached(t, w, "") {
		t.Error("it was remembered")
	}
}

func TestCacheForgetsWhatIsOld(t *testing.T) {
	remembered := newCache(1e6, time.Millisecond)
	remembered.fit(3)
	ask := func() bool {
		_, isKnown, _ := remembered.answer("a", func() (known, error) { return known{}, nil })
		return isKnown
	}
	ask()
	time.Sleep(20 * time.Millisecond)
	if ask() {
		t.Error("an answer of 20 ms was given after 1 ms")
	}
}

func TestCacheComputesOnceForAllWhoAskAtATime(t *testing.T) {
	remembered, computed, begun := newCache(1e6, time.Minute), 0, make(chan bool)
	remembered.fit(3)
	var asking sync.WaitGroup
	for range 5 {
		asking.Go(func() {
			_, _, _ = remembered.answer("a", func() (known, error) {
				computed++
				<-begun
				return known{}, nil
			})
		})
	}
	begun <- true
	asking.Wait()
	if computed != 1 {
		t.Errorf("computed %d times", computed)
	}
}

func TestCacheStaysWithinItsMegabytes(t *testing.T) {
	const megabytes, classes = 8, 100
	remembered := newCache(megabytes*megabyte, time.Minute)
	remembered.fit(classes)
	before := heap()
	for number := range 20_000 {
		_, _, _ = remembered.answer(fmt.Sprintf("%0129d", number), func() (known, error) {
			return known{make([]float32, classes), make([]float32, classes)}, nil
		})
	}
	// A tenth more for the runtime's own rounding of sizes.
	if took := float64(heap()-before) / megabyte; took > 1.1*megabytes || took < megabytes/2 {
		t.Errorf("it takes %.1f MB", took)
	}
	t.Logf("%.0f bytes an entry besides its numbers", float64(heap()-before)/float64(remembered.answers.Len())-2*4*classes)
	runtime.KeepAlive(remembered)
}

func heap() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
