// Package engine shares one loaded language model among many requests: in every pass each continuation gets one token
// and each text to be scored a few, and streams what comes.
//
// Invariants:
//   - One goroutine, the loop, calls the model's Step. What a continuation gets depends on its request and number
//     alone, never on what else took part in a pass.
//   - Nobody outside can hold up the loop: a continuation whose reader is slow sits out until the reader has caught up.
//   - A request that ended, by its end, its deadline or its caller, takes part in no further pass.
//   - What is needed to go on elsewhere are the tokens alone: penalties, stop texts split over tokens and broken
//     characters follow from them.
package engine
