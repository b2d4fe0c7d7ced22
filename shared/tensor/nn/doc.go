// Package nn holds the layers and losses that several models use.
//
// A layer is a struct of Params with a Forward(tape, x). On a recording tape Forward records operations;
// on an inference tape it runs weights packed once (on first use, or by Pack) with bias, activation and
// residual fused into the product. Both give the same bits.
//
// Invariants:
//   - A model is a struct whose fields carry the tag `weights:"name"`; Params walks them, slices by
//     index, and gives every parameter its dotted name. A field that holds parameters and has no tag
//     panics: weights are never forgotten silently.
//   - The order of Params is the order of the fields. Init draws parameter i from the stream of sample i,
//     so initial weights depend on the seed and on that order alone.
//   - Layers are immutable while they serve: packing is the only lazy write and is safe for concurrent use.
//     Whoever writes to a parameter's elements (an optimiser, Init, Bind) calls Changed afterwards.
//   - Pictures are [N, H, W, C]; linear weights are [In, Out] and convolution weights [KH, KW, In, Out], so
//     that a 1x1 convolution is a linear layer with the same numbers.
package nn
