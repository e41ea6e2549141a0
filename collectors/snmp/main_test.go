package snmp_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain sees to it that walks, sessions and agents leave no goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
