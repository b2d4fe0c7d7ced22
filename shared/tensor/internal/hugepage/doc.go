// Package hugepage asks the system for large pages under memory that is written once and read often: a stream of
// weights over pages of 4 KiB waits for translations, and the processor's prefetching stops at their ends.
package hugepage
