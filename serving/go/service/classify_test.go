package service

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"sightline/settings"
)

func form(t *testing.T, names ...string) (string, []byte) {
	t.Helper()
	var body bytes.Buffer
	writer := multipart.NewWriter(&body)
	for _, name := range names {
		part, err := writer.CreateFormFile(name, "a.png")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = part.Write(aPNG(t, ""))
	}
	_ = writer.Close()
	return writer.FormDataContentType(), body.Bytes()
}

func TestClassifyAnswersAsTheBentoServiceDoes(t *testing.T) {
	w := started(t, nil, nil)
	answer := w.post("/v1/classify?top_k=2", "image/png", aPNG(t, ""))
	if answer.Code != http.StatusOK {
		t.Fatal(answer.Body)
	}
	varying := regexp.MustCompile(`"id":"[0-9a-f]{32}"|"(queue|infer|total)":[0-9.]+`)
	want := `{,"model":"digits","version":1,"arm":"champion","task":"multi_class","class":"b","confidence":0.7,` +
		`"classes":[{"name":"b","probability":0.7},{"name":"a","probability":0.25}],"uncertainty":null,"cached":false,` +
		`"milliseconds":{,"decode":0,,}}`
	if got := varying.ReplaceAllString(answer.Body.String(), ""); got != want {
		t.Errorf("received %s", got)
	}
}

func TestClassifyTakesThreeKindsOfBodies(t *testing.T) {
	w := started(t, nil, nil)
	formType, formBody := form(t, "comment", "image")
	text := base64.StdEncoding.EncodeToString(aPNG(t, ""))
	broken, _ := json.Marshal(map[string]string{"image": text[:20] + "\n" + text[20:]})
	for kind, body := range map[string][]byte{
		formType: formBody, "image/x; q=1": aPNG(t, ""), "application/octet-stream": aPNG(t, ""), "application/json": broken,
	} {
		if answer := w.post("/v1/classify", kind, body); answer.Code != http.StatusOK {
			t.Errorf("%s: %s", kind, answer.Body)
		}
	}
	if w.runs.Load() != 1 { // the same image each time
		t.Errorf("%d images were answered by the model", w.runs.Load())
	}
}

func TestClassifyRefusesWhatItCannotRead(t *testing.T) {
	w := started(t, nil, nil)
	twoType, two := form(t, "image", "image")
	noneType, none := form(t, "picture")
	manyType, many := form(t, strings.Split(strings.Repeat("x,", 16)+"x", ",")...)
	cutType, cut := form(t, "image")
	for _, c := range []struct {
		status     int
		code, kind string
		body       []byte
	}{
		{400, "several_images", twoType, two},
		{400, "missing_image", noneType, none},
		{413, "body_too_large", manyType, many},
		{400, "bad_multipart", cutType, cut[:len(cut)-10]},
		{400, "bad_multipart", "multipart/form-data", two},
		{400, "bad_json", "application/json", []byte(`{"image": "`)},
		{400, "bad_json", "application/json", []byte(`{"Image": "aGk="}`)},
		{400, "bad_json", "application/json", []byte(`{"image": null}`)},
		{400, "bad_json", "application/json", []byte(`{"image": "aGk=", "url": "x"}`)},
		{400, "bad_base64", "application/json", []byte(`{"image": "data:image/png;base64,aGk="}`)},
		{400, "not_an_image", "image/png", nil},
		{400, "not_an_image", "image/png", aPNG(t, "damaged")},
		{415, "unsupported_image", "image/gif", []byte("GIF89a")},
		{415, "unsupported_type", "text/plain", aPNG(t, "")},
		{413, "body_too_large", "image/png", make([]byte, 1001)},
		{500, "internal_error", "image/png", aPNG(t, "broken")},
	} {
		answer := w.post("/v1/classify", c.kind, c.body)
		if answer.Code != c.status || errorCode(t, answer) != c.code {
			t.Errorf("expected %d %s, received %d %s", c.status, c.code, answer.Code, answer.Body)
		}
	}
}

func TestClassifyBoundsTheFieldsOfAForm(t *testing.T) {
	w := started(t, nil, func(read *settings.Settings) { read.MaxBodyBytes = 10_000 })
	kind, body := form(t, strings.Split(strings.Repeat("x,", 16)+"image", ",")...)
	if answer := w.post("/v1/classify", kind, body); errorCode(t, answer) != "bad_multipart" {
		t.Error(answer.Body)
	}
}

func TestClassifyRefusesABodyOfUnknownLengthOnceItIsTooLong(t *testing.T) {
	w := started(t, nil, nil)
	request := httptest.NewRequest(http.MethodPost, "/v1/classify", bytes.NewReader(make([]byte, 1001)))
	request.Header.Set("Content-Type", "image/png")
	request.ContentLength = -1
	if answer := w.send(request); answer.Code != http.StatusRequestEntityTooLarge {
		t.Error(answer.Code, answer.Body)
	}
}

func TestClassifyRefusesOtherNumbersOfClasses(t *testing.T) {
	w := started(t, nil, nil)
	for _, value := range []string{"0", "4", "-1", "+1", "1.0", "", "99999999999999999999", "１"} {
		answer := w.post("/v1/classify?top_k="+value, "image/png", aPNG(t, ""))
		if answer.Code != 400 || errorCode(t, answer) != "bad_top_k" {
			t.Errorf("%q: %s", value, answer.Body)
		}
	}
}

func TestClassifyRefusesCompressedBodies(t *testing.T) {
	w := started(t, nil, nil)
	request := httptest.NewRequest(http.MethodPost, "/v1/classify", bytes.NewReader(aPNG(t, "")))
	request.Header.Set("Content-Type", "image/png")
	request.Header.Set("Content-Encoding", "gzip")
	if answer := w.send(request); answer.Code != http.StatusUnsupportedMediaType {
		t.Error(answer.Body)
	}
}

func TestClassifySaysWhatTheRulesSay(t *testing.T) {
	rules := map[string]any{"abstain_below": 0.8, "unusual_above": 0, "energy_temperature": 1,
		"sets": map[string]any{"method": "aps", "coverage": 0.9, "limits": []float64{0.85}}}
	w := started(t, map[string]any{"uncertainty": rules}, nil)
	got := read[struct{ Uncertainty Uncertainty }](t, w.post("/v1/classify", "image/png", aPNG(t, ""))).Uncertainty
	// -ln(e^1 + e^2 + e^0) = -2.4076; halves summed: 0.35, 0.825, 0.975.
	want := "-2.4076 false true [b a] 0.9"
	if said := fmt.Sprint(got.Energy, got.Unusual, *got.Abstain, *got.PredictionSet, *got.Coverage); said != want {
		t.Errorf("received %s", said)
	}
}

func TestClassifyNamesEveryLabelThatIsPresent(t *testing.T) {
	w := started(t, map[string]any{"task": "multi_label", "thresholds": []float64{0.2, 0.6, 0.6}}, nil)
	got := w.post("/v1/classify?top_k=1", "image/png", aPNG(t, "")).Body.String()
	want := `"task":"multi_label","labels":["b","a"],"classes":[{"name":"b","probability":0.7,"present":true}],"uncertainty":null`
	if !strings.Contains(got, want) {
		t.Errorf("received %s", got)
	}
}

func TestClassifyByNameKnowsItsModelAlone(t *testing.T) {
	w := started(t, nil, nil)
	if answer := w.post("/v1/models/digits/classify", "image/png", aPNG(t, "")); answer.Code != 200 {
		t.Error(answer.Body)
	}
	if answer := w.post("/v1/models/flowers/classify", "image/png", aPNG(t, "")); errorCode(t, answer) != "unknown_model" {
		t.Error(answer.Body)
	}
}
