package planner_test

func cpuCases() []checkCase {
	return []checkCase{
		{code: "CPU-1", name: "the same", want: "pass: b is x86_64"},
		{code: "CPU-1", name: "another", changes: "-host:b arch=x86_64\nhost:b arch=aarch64", want: "block: web-07 is built for x86_64, b is aarch64"},
		{code: "CPU-1", name: "nobody says", changes: "-host:b arch=x86_64", want: "unknown: no source says the arch of host b"},
	}
}
