package topology

import (
	"errors"
	"fmt"
)

// Sentinels that callers branch on. Everything else is text for people.
var (
	// ErrSyntax marks text that is not the canonical or accepted form of an identifier or value.
	ErrSyntax = errors.New("syntax")
	// ErrSchema marks a fact that the model does not allow: an attribute on the wrong kind, a relation between
	// kinds that it may not join, a value of another type.
	ErrSchema = errors.New("not allowed by the model")
	// ErrConflict marks a delta or change-set that does not fit the snapshot it is applied to.
	ErrConflict = errors.New("does not fit the snapshot")
)

func syntaxError(what, text, why string) error {
	return fmt.Errorf("%w: %s %q: %s", ErrSyntax, what, text, why)
}
