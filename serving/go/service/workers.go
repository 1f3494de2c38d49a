package service

import (
	"math"
	"net/http"
	"sync"
	"time"
)

// recent is the weight of the newest task in the mean duration: the last 50 or so count.
const recent = 0.02

// workers run so many tasks at a time; others wait, in bounded number, or are refused at once.
type workers struct {
	slots          chan struct{}
	queue          int
	within         time.Duration
	lock           sync.Mutex
	pending        int
	averageSeconds float64
}

func newWorkers(threads, queue int, within time.Duration) *workers {
	return &workers{slots: make(chan struct{}, threads), queue: queue, within: within}
}

// checkRoom is a Failure 429 where a new task would find the queue full, or be late at the end of it. Asked
// before a body is read as well, so that overload costs as little as it can.
func (w *workers) checkRoom() error {
	w.lock.Lock()
	defer w.lock.Unlock()
	return w.room()
}

func (w *workers) room() error {
	threads := cap(w.slots)
	wait := float64(max(0, w.pending+1-threads)) * w.averageSeconds / float64(threads)
	if w.pending < threads+w.queue && wait < w.within.Seconds() {
		return nil
	}
	seconds := max(1, int(math.Ceil(wait)))
	refused := failuref(http.StatusTooManyRequests, "overloaded",
		"%d requests are being answered or wait already: try again in %d s", w.pending, seconds)
	refused.RetryAfter = seconds
	return refused
}

// run calls work, which is told how long it waited; Failure 429 without room, 504 when it came too late. A task
// whose time ran out in the queue is never begun; one that was begun keeps its slot until it ends.
func (w *workers) run(work func(waited time.Duration)) error {
	w.lock.Lock()
	if err := w.room(); err != nil {
		w.lock.Unlock()
		return err
	}
	w.pending++
	w.lock.Unlock()
	asked, late := time.Now(), time.NewTimer(w.within)
	defer late.Stop()
	select {
	case w.slots <- struct{}{}:
	case <-late.C:
		w.ended(-1)
		return w.tooLate()
	}
	done := make(chan any, 1)
	go func() {
		begin := time.Now()
		defer func() { // a panic is the request's, which answers 500 for it
			fault := recover()
			<-w.slots
			w.ended(time.Since(begin).Seconds())
			done <- fault
		}()
		work(begin.Sub(asked))
	}()
	select {
	case fault := <-done:
		if fault != nil {
			panic(fault)
		}
		return nil
	case <-late.C:
		return w.tooLate()
	}
}

// ended takes the seconds that a task ran, or less than 0 of one that never began.
func (w *workers) ended(seconds float64) {
	w.lock.Lock()
	defer w.lock.Unlock()
	w.pending--
	if seconds >= 0 {
		w.averageSeconds += recent * (seconds - w.averageSeconds)
	}
}

func (w *workers) tooLate() error {
	return failuref(http.StatusGatewayTimeout, "timeout", "no answer within %g seconds", w.within.Seconds())
}
