// Package fused has functions that a compiler may and may not fuse.
package fused

import "math"

// Open may be fused.
func Open(x, y, z float64) float64 { return x*y + z }

// OpenLater may be fused across statements.
func OpenLater(x, y, z float32) float32 {
	p := x * y
	return z + p
}

// Closed may not be fused.
func Closed(x, y, z float64) float64 { return float64(x*y) + z }

// Explicit asks for it.
func Explicit(x, y, z float64) float64 { return math.FMA(x, y, z) }
