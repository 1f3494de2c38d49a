package doubt

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
)

const (
	// MAPIE's, within which probabilities are equal.
	tolerance = 1e-8
	// Of sums that should be equal, in double precision.
	rounding = 1e-12
)

// SetRule as vision.uncertainty.rules.SetRule: lac, aps or raps.
type SetRule struct {
	Method      string    `json:"method"`
	Coverage    float64   `json:"coverage"`
	Limits      []float64 `json:"limits"` // one number, or one a class
	Penalty     float64   `json:"penalty"`
	FreeClasses float64   `json:"free_classes"`
}

func (r SetRule) check(classes int) error {
	if !slices.Contains([]string{"lac", "aps", "raps"}, r.Method) {
		return fmt.Errorf("unknown method of prediction sets %q: lac, aps or raps is allowed", r.Method)
	}
	if n := len(r.Limits); n != 1 && n != classes {
		return fmt.Errorf("%d limits of prediction sets for %d classes", n, classes)
	}
	return nil
}

// Apply says of each class whether it is in the set.
func (r SetRule) Apply(probabilities []float32) []bool {
	exact := inDouble(probabilities)
	held := make([]bool, len(exact))
	if r.Method == "lac" {
		for i, probability := range exact {
			held[i] = 1-probability <= r.limit(i)+tolerance
		}
		return held
	}
	falling := slices.Clone(exact)
	slices.SortFunc(falling, func(a, b float64) int { return cmp.Compare(b, a) })
	sums := r.sums(falling)
	for i, probability := range exact {
		limit := r.limit(i) + rounding
		count := sort.Search(len(sums), func(n int) bool { return sums[n] > limit })
		held[i] = probability >= falling[max(count-1, 0)]-tolerance
	}
	return held
}

// sums: the probabilities before a class and half of its own, with the penalty of raps.
func (r SetRule) sums(falling []float64) []float64 {
	sums, total := make([]float64, len(falling)), 0.0
	for i, probability := range falling {
		total += probability
		sums[i] = total - probability/2 + r.Penalty*max(0, float64(i+1)-r.FreeClasses)
	}
	return sums
}

func (r SetRule) limit(class int) float64 {
	if len(r.Limits) == 1 {
		return r.Limits[0]
	}
	return r.Limits[class]
}

// inDouble sums to 1 in double precision, which single precision misses by up to 1e-6.
func inDouble(probabilities []float32) []float64 {
	exact, sum := make([]float64, len(probabilities)), 0.0
	for i, probability := range probabilities {
		exact[i] = float64(probability)
		sum += exact[i]
	}
	for i := range exact {
		exact[i] /= sum
	}
	return exact
}
