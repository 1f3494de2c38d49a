// Package doubt applies the rules that bundle.json carries to the model's answer: which labels are present,
// the prediction set, the energy. The same numbers as vision/uncertainty/rules.py gives, in double precision.
package doubt

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

const (
	// MultiLabel gives an image any number of its labels.
	MultiLabel = "multi_label"
	multiClass = "multi_class"
	// A label is present from here on, where no threshold was tuned.
	usualThreshold = 0.5
)

// Calibration is the part of bundle.json that the graph does not apply.
type Calibration struct {
	Task       string    `json:"task"`
	Thresholds []float64 `json:"thresholds"`
	Rules      *Rules    `json:"uncertainty"` // nil: the model has none
}

// Rules as vision.uncertainty.rules.Uncertainty.
type Rules struct {
	Sets              *SetRule `json:"sets"`
	AbstainBelow      float64  `json:"abstain_below"`
	UnusualAbove      float64  `json:"unusual_above"`
	EnergyTemperature float64  `json:"energy_temperature"`
}

// Judgement is what the calibration says of one image.
type Judgement struct {
	Ranked  []int  // class indices, most probable first, ties in the order of the names
	Present []bool // multi-label: whether the image has the label
	Set     []bool // multi-class: whether the prediction set holds the class; nil without a rule
	Energy  float64
	Unusual bool
	Abstain bool
}

// Check returns an error where these are no rules for that many classes.
func (c Calibration) Check(classes int) error {
	if c.Task != multiClass && c.Task != MultiLabel {
		return fmt.Errorf("unknown task %q: %s or %s is allowed", c.Task, multiClass, MultiLabel)
	}
	if n := len(c.Thresholds); n != 0 && n != classes {
		return fmt.Errorf("%d thresholds for %d classes", n, classes)
	}
	if c.Rules == nil || c.Rules.Sets == nil {
		return nil
	}
	return c.Rules.Sets.check(classes)
}

// Judge takes the uncalibrated logits and the calibrated probabilities, K of each.
func (c Calibration) Judge(logits, probabilities []float32) Judgement {
	judged := Judgement{Ranked: ranked(probabilities)}
	if c.Task == MultiLabel {
		judged.Present = c.present(probabilities)
	}
	rules := c.Rules
	if rules == nil {
		return judged
	}
	judged.Energy = energy(logits, c.Task, rules.EnergyTemperature)
	judged.Unusual = judged.Energy > rules.UnusualAbove
	if c.Task == MultiLabel {
		return judged
	}
	// Compared in single precision, as NumPy compares a float32 with a Python number.
	judged.Abstain = probabilities[judged.Ranked[0]] < float32(rules.AbstainBelow)
	if rules.Sets != nil {
		judged.Set = rules.Sets.Apply(probabilities)
	}
	return judged
}

func (c Calibration) present(probabilities []float32) []bool {
	present := make([]bool, len(probabilities))
	for i, probability := range probabilities {
		threshold := usualThreshold
		if len(c.Thresholds) > 0 {
			threshold = c.Thresholds[i]
		}
		present[i] = float64(probability) >= threshold
	}
	return present
}

func ranked(probabilities []float32) []int {
	order := make([]int, len(probabilities))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(probabilities[b], probabilities[a]) })
	return order
}

// energy: -T logsumexp(logits / T); multi-label: minus the sum of log(1 + exp(logit)).
func energy(logits []float32, task string, temperature float64) float64 {
	if task == MultiLabel {
		sum := 0.0
		for _, logit := range logits {
			sum += math.Max(float64(logit), 0) + math.Log1p(math.Exp(-math.Abs(float64(logit))))
		}
		return -sum
	}
	greatest := float64(slices.Max(logits)) / temperature
	sum := 0.0
	for _, logit := range logits {
		sum += math.Exp(float64(logit)/temperature - greatest)
	}
	return -temperature * (greatest + math.Log(sum))
}
