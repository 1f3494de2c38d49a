package service

import (
	"time"

	"github.com/hashicorp/golang-lru/v2/expirable"
	"golang.org/x/sync/singleflight"
)

// entryBytes is what an entry takes besides its numbers: two hex digests, two slices and the places in the
// list and the tables. 450 as TestCacheStaysWithinItsMegabytes measures it (go test -v), and a reserve.
const entryBytes = 600

// known is what is remembered of an image: logits, so that top_k and id stay each request's own.
type known struct{ logits, probabilities []float32 }

// cache remembers answers by the bundle's digest and the image's sha256: a version is never given another's.
type cache struct {
	bytes   float64
	answers *expirable.LRU[string, known] // nil: nothing is remembered
	flights singleflight.Group
}

func newCache(bytes float64, age time.Duration) *cache {
	if bytes == 0 {
		return &cache{}
	}
	// One for the life of the process: the library's goroutine that forgets old entries never ends.
	return &cache{bytes: bytes, answers: expirable.NewLRU[string, known](1, nil, age)}
}

// fit forgets everything and makes room for answers of so many classes.
func (c *cache) fit(classes int) {
	if c.answers != nil {
		c.answers.Purge()
		c.answers.Resize(max(1, int(c.bytes/float64(entryBytes+2*4*classes))))
	}
}

// answer gives what is known, or what compute gives; of several who ask for one key at a time one computes.
func (c *cache) answer(key string, compute func() (known, error)) (answer known, wasKnown bool, err error) {
	if c.answers == nil {
		answer, err = compute()
		return answer, false, err
	}
	if answer, wasKnown = c.answers.Get(key); wasKnown {
		return answer, true, nil
	}
	wasKnown = true
	made, err, _ := c.flights.Do(key, func() (any, error) {
		if since, isKnown := c.answers.Get(key); isKnown { // whoever computed it ended after the look above
			return since, nil
		}
		wasKnown = false
		computed, err := compute()
		if err == nil {
			c.answers.Add(key, computed)
		}
		return computed, err
	})
	return made.(known), wasKnown && err == nil, err
}
