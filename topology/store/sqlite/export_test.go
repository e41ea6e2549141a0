package sqlite

import (
	"context"
	"fmt"
)

var (
	// Migrations are the steps of the schema.
	Migrations = migrations
	// PackLook is how readings are packed.
	PackLook = packLook
	// UnpackLook is its inverse.
	UnpackLook = unpackLook
)

// ApplicationID is what marks our files.
const ApplicationID = applicationID

// LimitPages makes the disk full at a number of pages more than the file has; a negative one takes the limit away.
func (s *Store) LimitPages(ctx context.Context, more int) error {
	var have int
	if err := s.w.QueryRowContext(ctx, "PRAGMA page_count").Scan(&have); err != nil {
		return err
	}
	if more < 0 {
		have = 1 << 30
	}
	var set int
	return s.w.QueryRowContext(ctx, fmt.Sprintf("PRAGMA max_page_count = %d", have+more)).Scan(&set)
}
