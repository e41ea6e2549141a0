package filter

func ebRule(r *xtRule) {}
