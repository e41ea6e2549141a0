package config

import (
	"fmt"

	"github.com/throughline-dc/throughline/collectors"
)

// SecretFile reads one secret, a line of text, from a file that nobody else may read or write (mode 0600), as the credentials of an inventory are read.
// The error names the file and what to do, and holds nothing of what is in it.
func SecretFile(name string) (collectors.Secret, error) {
	text, err := (&vault{folder: "."}).privateFile(name)
	if err == nil {
		text, err = oneLine(text)
	}
	if err != nil {
		if hint := hintFor(err); hint != "" {
			return collectors.Secret{}, fmt.Errorf("file %s: %w: %s", name, err, hint)
		}
		return collectors.Secret{}, fmt.Errorf("file %s: %w", name, err)
	}
	return collectors.NewSecret(string(text)), nil
}
