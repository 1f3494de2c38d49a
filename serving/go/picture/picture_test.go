package picture_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/jpeg"
	"image/png"
	"testing"

	"sightline/picture"
)

func code(file []byte) string {
	if refusal := picture.Check(file); refusal != nil {
		return refusal.Code
	}
	return ""
}

func encoded(t *testing.T) (asJPEG, asPNG []byte) {
	t.Helper()
	var first, second bytes.Buffer
	gray := image.NewGray(image.Rect(0, 0, 9, 7))
	if err := jpeg.Encode(&first, gray, nil); err != nil {
		t.Fatal(err)
	}
	if err := png.Encode(&second, gray); err != nil {
		t.Fatal(err)
	}
	return first.Bytes(), second.Bytes()
}

// exif is a TIFF header and a directory of one entry (TIFF 6.0, section 2): the orientation.
func exif(orientation byte) []byte {
	return []byte("II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00" + string(orientation) + "\x00\x00\x00\x00\x00\x00\x00")
}

// exifOfType is the same, orientation 6, as a number of another type: 1 a byte, 4 one of 32 bits.
func exifOfType(kind byte) []byte {
	block := exif(6)
	block[12] = kind
	return block
}

// segment is an APP1 of a JPEG, of at most 64 KiB.
func segment(content []byte) []byte {
	head := binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(len(content)+2))
	return append(head, content...)
}

// chunk of a PNG.
func chunk(name string, content []byte) []byte {
	body := append([]byte(name), content...)
	whole := append(binary.BigEndian.AppendUint32(nil, uint32(len(content))), body...)
	return binary.BigEndian.AppendUint32(whole, crc32.ChecksumIEEE(body))
}

func within(file []byte, place int, parts ...[]byte) []byte {
	return bytes.Join([][]byte{file[:place], bytes.Join(parts, nil), file[place:]}, nil)
}

func TestCheckPassesWhatTheGraphReads(t *testing.T) {
	asJPEG, asPNG := encoded(t)
	for name, file := range map[string][]byte{
		"jpeg": asJPEG, "png": asPNG,
		"turned by EXIF":       within(asJPEG, 2, segment(append([]byte("Exif\x00\x00"), exif(6)...))),
		"EXIF and XMP":         within(asJPEG, 2, segment(append([]byte("Exif\x00\x00"), exif(6)...)), segment([]byte(`tiff:Orientation="3"`))),
		"turned, in 32 bits":   within(asJPEG, 2, segment(append([]byte("Exif\x00\x00"), exifOfType(4)...))),
		"upright in XMP":       within(asJPEG, 2, segment([]byte(`tiff:Orientation="1"`))),
		"upright PNG":          within(asPNG, 33, chunk("eXIf", exif(1))),
		"broken EXIF":          within(asJPEG, 2, segment([]byte("Exif\x00\x00II*"))),
		"cut short, for later": asJPEG[:20],
	} {
		if got := code(file); got != "" {
			t.Errorf("%s: refused as %s", name, got)
		}
	}
}

func TestCheckRefusesWhatTheGraphWouldLeaveOnItsSide(t *testing.T) {
	asJPEG, asPNG := encoded(t)
	far := bytes.Repeat(segment(make([]byte, 60_000)), 3)
	for name, file := range map[string][]byte{
		"XMP":               within(asJPEG, 2, segment([]byte(`tiff:Orientation="6"`))),
		"XMP element":       within(asJPEG, 2, segment([]byte(`<tiff:Orientation>8<`))),
		"EXIF far in":       within(asJPEG, 2, far, segment(append([]byte("Exif\x00\x00"), exif(6)...))),
		"EXIF, a byte":      within(asJPEG, 2, segment(append([]byte("Exif\x00\x00"), exifOfType(1)...))),
		"a text of EXIF":    within(asJPEG, 2, segment(append([]byte("Note Exif\x00\x00"), exif(1)...)), segment(append([]byte("Exif\x00\x00"), exif(6)...))),
		"PNG with EXIF":     within(asPNG, 33, chunk("eXIf", exif(3))),
		"PNG, EXIF, a byte": within(asPNG, 33, chunk("eXIf", exifOfType(1))),
		"PNG with XMP":      within(asPNG, 33, chunk("iTXt", []byte(`XML:com.adobe.xmp`+"\x00\x00\x00\x00\x00"+`tiff:Orientation="3"`))),
		"PNG, packed XMP":   within(asPNG, 33, chunk("iTXt", []byte("XML:com.adobe.xmp\x00\x01\x00\x00\x00"))),
		"PNG, textual EXIF": within(asPNG, 33, chunk("zTXt", []byte("Raw profile type exif\x00\x00"))),
	} {
		if got := code(file); got != picture.Unsupported {
			t.Errorf("%s: received %q", name, got)
		}
	}
}

func TestCheckNamesOtherFormats(t *testing.T) {
	for beginning, want := range map[string]string{
		"GIF89a": picture.Unsupported, "RIFF....WEBP": picture.Unsupported, "BM": picture.Unsupported,
		"II*\x00": picture.Unsupported, "MM\x00*": picture.Unsupported,
		"": picture.NotAnImage, "<html>": picture.NotAnImage, "\xff\xd8": picture.NotAnImage,
	} {
		if got := code([]byte(beginning)); got != want {
			t.Errorf("%q: received %q, expected %q", beginning, got, want)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add([]byte("\xff\xd8\xff\xe1\x00\x10Exif\x00\x00II*\x00\x08\x00\x00\x00"))
	f.Add(append([]byte("\x89PNG\r\n\x1a\n"), chunk("eXIf", exif(6))...))
	f.Fuzz(func(_ *testing.T, file []byte) { picture.Check(file) })
}
