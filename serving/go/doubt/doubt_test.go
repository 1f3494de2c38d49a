package doubt

import (
	"math"
	"slices"
	"testing"
)

func TestRankedKeepsTheOrderOfNamesInTies(t *testing.T) {
	if got := ranked([]float32{0.2, 0.4, 0.4, 0}); !slices.Equal(got, []int{1, 2, 0, 3}) {
		t.Errorf("received %v", got)
	}
}

// Worked out by hand for 0.6, 0.3, 0.1: halves summed, 0.3, 0.75, 0.95; with a penalty of 0.1 after the first,
// 0.3, 0.85, 1.15.
func TestApplyGivesTheSet(t *testing.T) {
	probabilities := []float32{0.3, 0.6, 0.1}
	for _, c := range []struct {
		rule SetRule
		want []bool
	}{
		{SetRule{Method: "lac", Limits: []float64{0.5}}, []bool{false, true, false}},
		{SetRule{Method: "lac", Limits: []float64{0.3}}, []bool{false, false, false}},
		{SetRule{Method: "lac", Limits: []float64{0.3, 0.3, 1e9}}, []bool{false, false, true}},
		{SetRule{Method: "aps", Limits: []float64{0.1}}, []bool{false, true, false}},
		{SetRule{Method: "aps", Limits: []float64{0.8}}, []bool{true, true, false}},
		{SetRule{Method: "aps", Limits: []float64{0.96}}, []bool{true, true, true}},
		{SetRule{Method: "raps", Limits: []float64{0.8}, Penalty: 0.1, FreeClasses: 1}, []bool{false, true, false}},
		{SetRule{Method: "raps", Limits: []float64{0.9}, Penalty: 0.1, FreeClasses: 1}, []bool{true, true, false}},
	} {
		if got := c.rule.Apply(probabilities); !slices.Equal(got, c.want) {
			t.Errorf("%+v: received %v, expected %v", c.rule, got, c.want)
		}
	}
}

func TestApplyKeepsEqualClassesTogether(t *testing.T) {
	if got := (SetRule{Method: "aps", Limits: []float64{0.3}}).Apply([]float32{0.4, 0.4, 0.2}); !slices.Equal(got, []bool{true, true, false}) {
		t.Errorf("received %v", got)
	}
}

func TestEnergy(t *testing.T) {
	logits := []float32{1000, 1000} // the sum of their exponentials would overflow
	for _, c := range []struct {
		task        string
		temperature float64
		want        float64
	}{{multiClass, 1, -1000 - math.Ln2}, {multiClass, 2, -1000 - 2*math.Ln2}, {MultiLabel, 2, -2000}} {
		if got := energy(logits, c.task, c.temperature); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s at %g: received %g, expected %g", c.task, c.temperature, got, c.want)
		}
	}
	if got := energy([]float32{0}, MultiLabel, 1); math.Abs(got+math.Ln2) > 1e-15 {
		t.Errorf("received %g", got)
	}
}

func TestJudgeAppliesTheRules(t *testing.T) {
	rules := Calibration{Task: multiClass, Rules: &Rules{AbstainBelow: 0.7, UnusualAbove: -1, EnergyTemperature: 1}}
	judged := rules.Judge([]float32{0, 0}, []float32{0.7, 0.3}) // energy: -ln 2
	if judged.Abstain || !judged.Unusual || judged.Set != nil {
		t.Errorf("judged %+v", judged)
	}
	rules.Rules.AbstainBelow = 0.71
	if !rules.Judge([]float32{0, 0}, []float32{0.7, 0.3}).Abstain {
		t.Error("0.7 is below 0.71")
	}
}

func TestJudgeFindsLabelsFromTheirThresholdsOn(t *testing.T) {
	labels := Calibration{Task: MultiLabel}
	if got := labels.Judge(nil, []float32{0.5, 0.49}).Present; !slices.Equal(got, []bool{true, false}) {
		t.Errorf("received %v", got)
	}
	labels.Thresholds = []float64{0.75, 0.25}
	if got := labels.Judge(nil, []float32{0.5, 0.25}).Present; !slices.Equal(got, []bool{false, true}) {
		t.Errorf("received %v", got)
	}
}
