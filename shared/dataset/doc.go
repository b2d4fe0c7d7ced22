// Package dataset reads pictures and tables for training: IDX files, folders and archives of PNG and JPEG, CSV,
// and pictures that it draws itself. A registry names well-known sets with their licence, source and checksum.
//
// Invariants:
//   - A Dataset is fixed and ordered: element i is the same at every call, on every machine, in every goroutine.
//     Hash names its content, and two sets with equal hashes hold equal pictures and labels in equal order.
//   - Pictures are handed out as height x width x channels in [-1, 1], 8-bit value v as (2v-255)/255.
//   - What comes from a disk or a network is checked against its own header before memory is taken, bounded by
//     Limits, and refused with an error that says what is wrong. A picture that cannot be read is an error; none is
//     left out.
//   - The package reads no environment; a Locator is told where to look.
//   - Decoding, cropping and drawing of glyphs is integer arithmetic. Resizing other than by cropping uses
//     golang.org/x/image/draw, whose float64 sums may differ in the last bit between kinds of CPU, so the Hash of a
//     resized set holds for one kind of CPU.
package dataset
