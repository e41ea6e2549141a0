package neo4j_test

import (
	"errors"
	"testing"

	driver "github.com/neo4j/neo4j-go-driver/v5/neo4j"

	"github.com/throughline-dc/throughline/topology/store/neo4j"
)

// TestTransient holds what is tried again to what may go well then.
func TestTransient(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]bool{
		"Neo.TransientError.Transaction.DeadlockDetected":         true,
		"Neo.TransientError.General.DatabaseUnavailable":          true,
		"Neo.ClientError.Cluster.NotALeader":                      true,
		"Neo.ClientError.Transaction.Terminated":                  true,
		"Neo.DatabaseError.General.UnknownError":                  true,
		"Neo.DatabaseError.Transaction.TransactionCommitFailed":   true,
		"Neo.DatabaseError.Schema.ConstraintCreationFailed":       false,
		"Neo.DatabaseError.General.IndexCorruptionDetected":       false,
		"Neo.DatabaseError.Schema.SchemaRuleNotFound":             false,
		"Neo.ClientError.Security.Unauthorized":                   false,
		"Neo.ClientError.Security.AuthenticationRateLimit":        true,
		"Neo.ClientError.Schema.ConstraintValidationFailed":       false,
		"Neo.ClientError.Schema.ConstraintWithNameAlreadyExists":  false,
		"Neo.ClientError.Statement.SyntaxError":                   false,
		"Neo.ClientError.Database.DatabaseNotFound":               false,
		"Neo.ClientError.Schema.EquivalentSchemaRuleAlreadyExist": false,
	} {
		if got := neo4j.Transient(&driver.Neo4jError{Code: code}); got != want {
			t.Errorf("%s: transient is %t, want %t", code, got, want)
		}
	}
	if !neo4j.Transient(&driver.ConnectivityError{}) || neo4j.Transient(errors.New("else")) {
		t.Error("a lost connection is tried again, anything else is not")
	}
}
