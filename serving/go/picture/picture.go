// Package picture refuses, before the graph sees them, the files that it would take otherwise than Python.
//
// The graph (vision/exporting/serving_pixels.py) decodes JPEG and PNG, turns a JPEG by the EXIF block in its
// first 128 KiB, and knows no other orientation. Nothing here changes a file: it is answered as Python answers
// it, or refused.
package picture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"regexp"
	"strconv"

	"github.com/bep/imagemeta"
)

// exifReach is how far into a JPEG the graph looks for EXIF (serving_pixels.HEAD_BYTES).
const exifReach = 1 << 17

// Refusal says why a file is not answered; Code is for programs.
type Refusal struct{ Code, Message string }

func (r *Refusal) Error() string { return r.Message }

// Codes of refusals.
const (
	NotAnImage    = "not_an_image"
	TooManyPixels = "too_many_pixels"
	Unsupported   = "unsupported_image"
)

var (
	jpegStart, pngStart = []byte("\xff\xd8\xff"), []byte("\x89PNG\r\n\x1a\n")
	exifMark, xmpMark   = []byte("Exif\x00\x00"), []byte("tiff:Orientation")
	// As Pillow reads XMP (Image.getexif).
	xmpOrientation = regexp.MustCompile(`tiff:Orientation(?:="|>)([0-9])`)
	// Where a PNG keeps EXIF or XMP besides: hexadecimal text (ImageMagick), and compressed.
	hiddenInPNG = [][]byte{[]byte("Raw profile type exif"), []byte("XML:com.adobe.xmp\x00\x01")}
	// What Python reads and the graph does not: beginnings by format.
	others = []struct{ name, start string }{
		{"GIF", "GIF8"}, {"WebP", "RIFF"}, {"BMP", "BM"}, {"TIFF", "II*\x00"}, {"TIFF", "MM\x00*"},
	}
)

// Check returns nil for a file that the graph answers as Python does, or reports as damaged.
func Check(file []byte) *Refusal {
	switch {
	case len(file) == 0:
		return &Refusal{NotAnImage, "empty image: received 0 bytes; send the bytes of an image file"}
	case bytes.HasPrefix(file, jpegStart):
		return checkJPEG(file)
	case bytes.HasPrefix(file, pngStart):
		return checkPNG(file)
	}
	for _, other := range others {
		if bytes.HasPrefix(file, []byte(other.start)) {
			return &Refusal{Unsupported, fmt.Sprintf("%s is not read here: send JPEG or PNG", other.name)}
		}
	}
	return &Refusal{NotAnImage,
		fmt.Sprintf("not a readable image: received %d bytes; allowed are whole files of JPEG, PNG", len(file))}
}

func checkJPEG(file []byte) *Refusal {
	place := bytes.Index(file, exifMark)
	if place < 0 && !bytes.Contains(file, xmpMark) {
		return nil
	}
	if place >= 0 && place < exifReach && place != exifPlace(file) {
		return &Refusal{Unsupported, "something like EXIF outside of an EXIF segment: save the image anew"}
	}
	orientation := exifOrientation(file, imagemeta.JPEG)
	if orientation > 0 && place < exifReach-len(exifMark) {
		return nil // the graph turns it
	}
	if orientation == 0 {
		orientation = orientationInXMP(file)
	}
	return refuseTurned(orientation, "outside the EXIF block at the file's beginning")
}

func checkPNG(file []byte) *Refusal {
	for _, hidden := range hiddenInPNG {
		if bytes.Contains(file, hidden) {
			return &Refusal{Unsupported, "a PNG with a compressed or textual EXIF or XMP block, which may say that it" +
				" is to be turned: save it without, or as JPEG"}
		}
	}
	orientation := 0
	if bytes.Contains(file, []byte("eXIf")) {
		orientation = exifOrientation(file, imagemeta.PNG)
	}
	if orientation == 0 {
		orientation = orientationInXMP(file)
	}
	return refuseTurned(orientation, "of a PNG")
}

func refuseTurned(orientation int, where string) *Refusal {
	if orientation == strange {
		return &Refusal{Unsupported, "an EXIF orientation that is no whole number of 16 or 32 bits: save the image anew"}
	}
	if orientation < 2 || orientation > 8 {
		return nil
	}
	return &Refusal{Unsupported,
		fmt.Sprintf("orientation %d %s is not read here: turn the image before it is sent", orientation, where)}
}

// exifPlace is where the mark of the first EXIF segment stands, -1 where none comes before the picture.
func exifPlace(file []byte) int {
	const markerAndLength, startOfScan, app1 = 4, 0xda, 0xe1 // ITU-T T.81, table B.1
	for place := len(jpegStart) - 1; place+markerAndLength <= len(file) && file[place] == 0xff; {
		content := place + markerAndLength
		switch marker := file[place+1]; {
		case marker == startOfScan:
			return -1
		case marker == app1 && bytes.HasPrefix(file[content:], exifMark):
			return content
		}
		place += 2 + int(binary.BigEndian.Uint16(file[place+2:]))
	}
	return -1
}

// strange is the orientation of a tag of a type that Python may read and the graph does not.
const strange = -1

// exifOrientation is the tag of the first directory, 0 where there is none, or the block is broken before it.
func exifOrientation(file []byte, format imagemeta.ImageFormat) int {
	orientation := 0
	_, _ = imagemeta.Decode(imagemeta.Options{
		R:               bytes.NewReader(file),
		ImageFormat:     format,
		Sources:         imagemeta.EXIF,
		ShouldHandleTag: func(tag imagemeta.TagInfo) bool { return tag.Tag == "Orientation" && tag.Namespace == "IFD0" },
		HandleTag: func(tag imagemeta.TagInfo) error {
			if orientation != 0 {
				return nil // of several Python and the graph take the first
			}
			switch value := tag.Value.(type) {
			case uint16:
				orientation = int(value)
			case uint32:
				orientation = int(value)
			default:
				orientation = strange
			}
			return nil
		},
	})
	return orientation
}

func orientationInXMP(file []byte) int {
	found := xmpOrientation.FindSubmatch(file)
	if found == nil {
		return 0
	}
	value, _ := strconv.Atoi(string(found[1]))
	return value
}
