// Package weights reads and writes model weights in the safetensors format, memory-mapped and strict.
//
// A file is an 8-byte little-endian header length, a JSON header that names every tensor with its dtype, shape
// and byte range, and the bytes. Open maps the file and checks all of it before it returns: the header length
// against the file's size before anything is allocated, the JSON (UTF-8, no duplicate keys, no unknown keys, no
// nesting beyond the format's own), and the byte ranges, which must follow one another from the first byte to
// the last without overlap or hole and fit dtype times shape without overflow. Beyond the reference
// implementation it refuses duplicate names and unknown keys, both of which the format disallows.
//
// Invariants:
//   - A refusal is an *Error that names the file, the tensor where there is one, and what is wrong; it costs less
//     memory than the file has bytes.
//   - Nothing falls back: an unknown dtype, a missing, unused or mis-shaped tensor is an error, and Bind reports
//     all of them together.
//   - Tensors of F32 and F64 files are views of the mapping where the bytes lie aligned, so loading copies
//     nothing. The mapping is read-only: to write to such a tensor is a crash. Views die with File.Close.
//   - A file that is cut short under the mapping becomes an *Error inside Guard.
//   - Write makes the new file or leaves the old one, never anything between, and equal input gives equal bytes.
//
// OpenTorch opens checkpoints of torch.save the same way: it runs nothing of their pickle, and knows only the
// operations and names that a state_dict is made of.
//
// Format: https://github.com/huggingface/safetensors#format.
package weights
