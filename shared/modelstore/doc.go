// Package modelstore keeps trained models on disk and in memory.
//
// A model is a directory <root>/<name>/<version>/ that holds manifest.json, model.safetensors, further files that
// the manifest lists (a tokenizer), and README.md, the card. A Store looks through several roots, some of them
// read-only and some embedded in the binary, and finds models by "name" or "name@version". A Manager loads them
// through a function that a family gives it, and shares a Budget of memory with the managers of other families.
//
// Invariants:
//   - The digest is a SHA-256 over the functional part of the manifest, in which every file stands with its own
//     SHA-256. Metrics, licence, card, name, version and training history are outside of it. It is computed once,
//     when a model is published; opening a model checks sizes and the digest of the manifest; Verify reads all
//     bytes again.
//   - Publishing is atomic: a crash leaves the new version whole or not at all. A version is never overwritten.
//   - No name that a caller or a manifest gives leads out of a model's directory.
//   - A manifest costs at most MaxManifestBytes of memory, whatever the file holds.
//   - A loaded model is loaded once however many ask for it at a time; the least recently used idle model is
//     unloaded first, a busy one never.
//   - Errors are *fault.Error values whose text names models and files but no directories.
//
// Nothing here knows a family.
//
// Lock order: Budget.mu is the only lock of this package that is held while another one could be asked for, and
// none is: loaders, closers and file operations run without it.
package modelstore
