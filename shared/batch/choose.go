package batch

// Want is one request's wish for the next batch: Count units of Rows rows each, all of one kind.
type Want struct {
	Count int // units it could run now
	Rows  int // rows of one unit, at least 1
}

// Choose says how many units of each want go into a batch of at most maxRows rows: one unit to each in turn, from
// the first on, and again, until nothing more fits or is wanted. A unit larger than maxRows goes in alone, so that
// nobody starves. counts must have the length of wants; the rows chosen are returned.
func Choose(counts []int, wants []Want, maxRows int) (rows int) {
	clear(counts)
	for progress := true; progress; {
		progress = false
		for i, w := range wants {
			if counts[i] == w.Count || rows+w.Rows > maxRows && rows > 0 {
				continue
			}
			counts[i]++
			rows += w.Rows
			progress = true
		}
	}
	return rows
}
