package cli

import (
	"bytes"
	"strings"
	"testing"
)

// TestTextCommands runs the commands of language models on the starters and looks for what each must say.
func TestTextCommands(t *testing.T) {
	home := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	for _, c := range []struct {
		args string
		want string // in the output, or in what is said of an error
		code int
	}{
		{"generate text ROMEO: --seed 1 --tokens 20", "ROMEO:", 0},
		{"generate text To --model shakespeare-characters --seed 1 --tokens 3 --why 2", "nats", 0},
		{"generate text --model fable --seed 1 --n 2", "---", 0},
		{"generate text x --temperature=-1", "sampling.temperature", 1},
		{"generate text x --model nobody", "no model", 1},
		{"generate text x --model weather", "it answers Describe, Chain", 1},
		{"text score be --model shakespeare-characters,shakespeare-words", "nats/character", 0},
		{"text score", "give either texts or --file", 1},
		{"text tag umbrella --model umbrella", "rain", 0},
		{"text tag sunshade --model umbrella", "there are umbrella, none", 1},
		{"text chain --targets rainy --from sunny --steps 1 --path 3 --seed 1", "entropy rate", 0},
		{"text chain --targets stormy", "there are sunny, cloudy, rainy", 1},
		{"text forget emma --model names", "names@2", 0},
		{"text forget nobodys-name --model names", "not", 1},
		{"text forget emma --model shakespeare-words", "forgets: true", 1},
		{"eval lm --what hidden", "-4.45", 0},
	} {
		p, stdout, stderr := program(t)
		p.Args = append(p.Args[:1], strings.Fields("--home "+home+" "+c.args)...)
		err := p.Run()
		said := stdout.String() + stderr.String()
		if p.ProcessState.ExitCode() != c.code || !strings.Contains(said, c.want) {
			t.Errorf("manifold %s: %v, want code %d and %q in\n%s", c.args, err, c.code, c.want, bytes.TrimSpace([]byte(said)))
		}
	}
}
