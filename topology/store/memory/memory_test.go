package memory_test

import (
	"testing"

	"github.com/throughline-dc/throughline/topology/store"
	"github.com/throughline-dc/throughline/topology/store/memory"
	"github.com/throughline-dc/throughline/topology/store/storetest"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) storetest.Harness {
		return storetest.Harness{Open: func() (store.Store, error) { return memory.New(), nil }}
	})
}
