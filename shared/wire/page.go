package wire

import (
	"encoding/base64"
	"strings"

	"github.com/manifold-gen/manifold/shared/fault"
)

// Sizes of pages.
const (
	DefaultPage = 100
	MaxPage     = 1000
)

// Page cuts a page out of a list that is sorted by key (AIP-158): what comes after the key in the token, at most
// size entries. next is the token of the following page, empty on the last. The token names the last entry shown and
// not a position, so entries that come and go between two pages neither repeat nor hide others.
func Page[T any](op string, list []T, size int32, token string, key func(T) string,
	less func(a, b string) bool) (page []T, next string, err error) {
	if size < 0 || size > MaxPage {
		return nil, "", fault.InvalidField(op, "page_size", "%d, want 0 to %d", size, MaxPage)
	}
	if size == 0 {
		size = DefaultPage
	}
	if token != "" {
		raw, err := base64.RawURLEncoding.DecodeString(token)
		after, ok := strings.CutPrefix(string(raw), "after:")
		if err != nil || !ok {
			return nil, "", fault.InvalidField(op, "page_token", "%.40q was not given by this server", token)
		}
		i := 0
		for i < len(list) && !less(after, key(list[i])) {
			i++
		}
		list = list[i:]
	}
	if len(list) <= int(size) {
		return list, "", nil
	}
	page = list[:size]
	last := "after:" + key(page[size-1])
	return page, base64.RawURLEncoding.EncodeToString([]byte(last)), nil
}
