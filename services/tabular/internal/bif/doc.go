// Package bif reads and writes discrete Bayesian networks in the Interchange Format for Bayesian Networks (BIF 0.15,
// Cozman and others, 1998), as JavaBayes, bnlearn and pgmpy exchange them:
//
//	network name { property any words ; }
//	variable rain { type discrete [ 2 ] { yes, no }; property position = (10, 20) ; }
//	probability ( rain ) { table 0.2, 0.8; }
//	probability ( wet | rain, sprinkler ) { default 0.5, 0.5; (yes, no) 0.9, 0.1; }
//
// Comments are // to the end of the line and /* to */. Names and levels are words, or quoted where they have spaces or
// punctuation. A table of a variable with parents lists the child's levels slowest and the last parent's fastest. A row
// that is not listed is the default; without one it is an error.
//
// Invariants: sizes are checked before tables are made; a row whose probabilities do not add up to 1 within 1e-6, a
// cycle, and whatever is said twice or not at all, are errors that name the line. What Write writes, Read reads to the
// same bits.
package bif
