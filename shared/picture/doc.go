// Package picture turns arrays of samples into picture files and back, for services and commands alike.
//
// A picture is height x width x channels bytes, row by row, 1 (gray), 3 (RGB) or 4 (RGBA, not premultiplied) channels.
// Models see the same values as float32 in [-1, 1].
//
// Invariants:
//   - The same picture and the same text give the same file, byte for byte, from one build of the program.
//   - Everything that decides bytes is integer arithmetic, or float32 arithmetic with every product rounded.
//   - A file from outside is measured before it is decoded: nothing larger than the caller's limit is allocated.
package picture
