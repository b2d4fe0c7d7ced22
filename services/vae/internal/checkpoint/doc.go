// Package checkpoint brings published weights into models: it opens files of torch and safetensors, names their
// tensors, and fills the parameters of a model from them with the axes turned as the kernels want them.
//
// Invariants:
//   - Nothing of a file is executed; see weights.OpenTorch.
//   - Binding is strict: what is missing, unused, of another shape or not finite is reported together, and nothing is
//     published unless all of it fits.
//   - A configuration whose parameters the files cannot hold is refused before they are allocated.
package checkpoint
