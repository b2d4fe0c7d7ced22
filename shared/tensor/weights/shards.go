package weights

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxIndex bounds the JSON index of a sharded model; a name of 100 bytes for each of a hundred thousand
// tensors fits ten times.
const maxIndex = maxHeader

// openShards opens an index as Hugging Face writes it, {"metadata": {...}, "weight_map": {tensor: file}}, and
// every file that it names. The files must lie beside the index, and each must hold exactly the tensors that
// the index places there.
func openShards(path string) (*File, error) {
	places, err := readIndex(path)
	if err != nil {
		return nil, err
	}
	set := &File{path: path}
	if err := set.addShards(path, places); err != nil {
		_ = set.Close() // the refusal is the news
		return nil, err
	}
	return set, nil
}

type place struct{ tensor, file string }

// readIndex returns the weight map, sorted by file and tensor.
func readIndex(path string) ([]place, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("weights: %w", err)
	}
	defer func() { _ = f.Close() }() // opened for reading
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() || st.Size() > maxIndex {
		return nil, &Error{File: path, Msg: fmt.Sprintf("not a regular file of at most %d bytes", maxIndex), Err: err}
	}
	text, err := io.ReadAll(io.LimitReader(f, maxIndex))
	if err != nil {
		return nil, &Error{File: path, Msg: "cannot be read", Err: err}
	}
	s := &scanner{buf: bytes.TrimSpace(text)}
	var places []place
	seen := map[string]bool{}
	s.expect('{')
	for n := 0; s.more(n, '}'); n++ {
		key := string(s.str())
		s.expect(':')
		if s.err == "" && seen[key] {
			s.fail("%s is there twice", quote([]byte(key)))
		}
		seen[key] = true
		if key != "weight_map" {
			s.skip(8)
			continue
		}
		s.expect('{')
		for m := 0; s.more(m, '}'); m++ {
			name := s.str()
			s.expect(':')
			places = append(places, place{string(name), string(s.str())})
		}
	}
	s.end()
	if s.err != "" {
		return nil, &Error{File: path, Msg: s.err}
	}
	if !seen["weight_map"] {
		return nil, &Error{File: path, Msg: "no weight_map"}
	}
	slices.SortFunc(places, func(a, b place) int {
		return cmp.Or(strings.Compare(a.file, b.file), strings.Compare(a.tensor, b.tensor))
	})
	return places, nil
}

func (f *File) addShards(path string, places []place) error {
	for len(places) > 0 {
		name := places[0].file
		if name != filepath.Base(name) || !filepath.IsLocal(name) || strings.ContainsAny(name, `/\`) {
			return &Error{File: path, Tensor: places[0].tensor,
				Msg: "the shard " + quote([]byte(name)) + " is not the name of a file beside the index"}
		}
		n := slices.IndexFunc(places, func(p place) bool { return p.file != name })
		if n < 0 {
			n = len(places)
		}
		shard, err := open(filepath.Join(filepath.Dir(path), name), mapFile, unmapFile)
		if err != nil {
			return err
		}
		f.unmap = append(f.unmap, shard.unmap...)
		if err := shard.holds(places[:n]); err != nil {
			return err
		}
		f.take(shard)
		places = places[n:]
	}
	for i := 1; i < len(f.infos); i++ {
		if f.infos[i].Name == f.infos[i-1].Name {
			return &Error{File: path, Tensor: f.infos[i].Name, Msg: "in two shards"}
		}
	}
	return nil
}

// holds compares the tensors of a shard with those that the index places there; both are sorted by name.
func (f *File) holds(places []place) error {
	var errs []error
	say := func(tensor, msg string) { errs = append(errs, &Error{File: f.path, Tensor: tensor, Msg: msg}) }
	i := 0
	for _, p := range places {
		for ; i < len(f.infos) && f.infos[i].Name < p.tensor; i++ {
			say(f.infos[i].Name, "in the shard, but not in the index")
		}
		if i < len(f.infos) && f.infos[i].Name == p.tensor {
			i++
			continue
		}
		say(p.tensor, "in the index, but not in the shard")
	}
	for ; i < len(f.infos); i++ {
		say(f.infos[i].Name, "in the shard, but not in the index")
	}
	return errors.Join(errs...)
}

// take merges the tensors of shard, keeping the order by name.
func (f *File) take(shard *File) {
	type pair struct {
		info Info
		data []byte
	}
	all := make([]pair, 0, len(f.infos)+len(shard.infos))
	for i, info := range f.infos {
		all = append(all, pair{info, f.data[i]})
	}
	for i, info := range shard.infos {
		all = append(all, pair{info, shard.data[i]})
	}
	slices.SortStableFunc(all, func(a, b pair) int { return strings.Compare(a.info.Name, b.info.Name) })
	f.infos = make([]Info, len(all))
	f.data = make([][]byte, len(all))
	for i, p := range all {
		f.infos[i], f.data[i] = p.info, p.data
	}
	f.bytes += shard.bytes
	if len(f.Metadata) == 0 {
		f.Metadata = shard.Metadata
	}
}
