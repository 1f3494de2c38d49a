// Package network runs a bundle's SavedModel by TensorFlow's C library.
package network

import (
	"fmt"
	"path/filepath"
	"strings"

	tf "github.com/wamuir/graft/tensorflow"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/proto"

	"sightline/bundle"
	"sightline/picture"
)

const (
	tag, signature, input = "serve", "serving_bytes", "encoded"
	// What preprocesses a file is the graph's only loop (vision/exporting/serving_pixels.py). The binding tells
	// an error's text and not its code, so the loop's name says that the file is at fault and not the network.
	preprocessingLoop = "map/while"
	tooManyPixels     = "the image has more than the"
)

var outputs = [2]string{"logits", "probabilities"}

// Network is a loaded model. It is freed by the garbage collector, so that a request that holds the old
// version while a new one is loaded is answered by it.
type Network struct {
	model   *tf.SavedModel
	input   tf.Output
	outputs []tf.Output
	told    bundle.Description
}

// Load opens the graph of a bundle, whose hashes bundle.Open has checked. An operation of it takes so many
// cores: where several images are answered at a time, one each answers more of them.
func Load(opened *bundle.Bundle, cores int) (*Network, error) {
	config, err := proto.Marshal(&corepb.ConfigProto{IntraOpParallelismThreads: int32(cores)})
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(opened.Folder, opened.Model)
	model, err := tf.LoadSavedModel(folder, []string{tag}, &tf.SessionOptions{Config: config})
	if err != nil {
		return nil, fmt.Errorf("TensorFlow %s cannot load %s: %w", tf.Version(), opened.Folder, err)
	}
	loaded := &Network{model: model, told: opened.Description}
	if err := loaded.bind(model.Signatures[signature]); err != nil {
		return nil, fmt.Errorf("%s: %w: export the model again", opened.Folder, err)
	}
	return loaded, nil
}

func (n *Network) bind(told tf.Signature) (err error) {
	if n.input, err = n.place(told.Inputs[input].Name); err != nil {
		return fmt.Errorf("signature %s has no input %s", signature, input)
	}
	for _, name := range outputs {
		place, err := n.place(told.Outputs[name].Name)
		if err != nil {
			return fmt.Errorf("signature %s has no output %s", signature, name)
		}
		n.outputs = append(n.outputs, place)
	}
	return nil
}

// place is a tensor of the graph by its name, OPERATION:INDEX.
func (n *Network) place(name string) (tf.Output, error) {
	var index int
	operation, number, _ := strings.Cut(name, ":")
	if _, err := fmt.Sscan(number, &index); err != nil {
		return tf.Output{}, err
	}
	found := n.model.Graph.Operation(operation)
	if found == nil {
		return tf.Output{}, fmt.Errorf("no operation %q", operation)
	}
	return found.Output(index), nil
}

// Run answers one encoded image with K uncalibrated logits and K calibrated probabilities. A *picture.Refusal
// is the image's fault.
func (n *Network) Run(file []byte) (logits, probabilities []float32, err error) {
	encoded, err := tf.NewTensor([]string{string(file)})
	if err != nil {
		return nil, nil, err
	}
	answered, err := n.model.Session.Run(map[tf.Output]*tf.Tensor{n.input: encoded}, n.outputs, nil)
	if err != nil {
		return nil, nil, n.explain(err, len(file))
	}
	logits, probabilities = row(answered[0]), row(answered[1])
	if classes := len(n.told.ClassNames); len(logits) != classes || len(probabilities) != classes {
		return nil, nil, fmt.Errorf("the graph gives %d logits and %d probabilities, bundle.json names %d classes",
			len(logits), len(probabilities), classes)
	}
	return logits, probabilities, nil
}

// row is the numbers of the one image, nil where the tensor holds none, or others than single precision.
func row(tensor *tf.Tensor) []float32 {
	rows, _ := tensor.Value().([][]float32)
	if len(rows) == 0 {
		return nil
	}
	return rows[0]
}

func (n *Network) explain(err error, size int) error {
	reason, _, _ := strings.Cut(err.Error(), "\n")
	if strings.Contains(reason, tooManyPixels) {
		return &picture.Refusal{Code: picture.TooManyPixels, Message: fmt.Sprintf(
			"an image of more than the %d pixels that this model allows: send it smaller", n.told.Preprocessing.MaxPixels)}
	}
	if strings.Contains(err.Error(), preprocessingLoop) {
		return &picture.Refusal{Code: picture.NotAnImage, Message: fmt.Sprintf(
			"not a readable image (%.200s): received %d bytes; allowed are whole files of JPEG, PNG", reason, size)}
	}
	return err
}
