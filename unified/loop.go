package unified

import (
	"time"

	"github.com/mgxdb/mgx/bson"
)

// loop repeats operations until Deployment.StopLoops is closed. What fails in
// them ends the loop, unless the test keeps a record of failures.
func loop(r *run, a bson.D) error {
	list, err := operationsOf(get[bson.A](a, "operations"))
	if err != nil {
		return err
	}
	// What this runner finds is a failure; it tells errors and failures apart no
	// further.
	keep := get[string](a, "storeFailuresAsEntity")
	if keep == "" {
		keep = get[string](a, "storeErrorsAsEntity")
	}
	failures := bson.A{}
	var successes, iterations int64
	for err = nil; err == nil && r.loops(); iterations++ {
		for i := range list {
			if err = r.step(&list[i]); err != nil {
				break
			}
			successes++
		}
		if err != nil && keep != "" {
			seconds := float64(time.Now().UnixNano()) / float64(time.Second)
			failures = append(failures, bson.D{{Key: "error", Value: err.Error()}, {Key: "time", Value: seconds}})
			err = nil
		}
	}
	for key, v := range map[string]any{
		"storeErrorsAsEntity": failures, "storeFailuresAsEntity": failures,
		"storeSuccessesAsEntity": successes, "storeIterationsAsEntity": iterations,
	} {
		name := get[string](a, key)
		if name == "" {
			continue
		}
		if key == "storeErrorsAsEntity" && name != keep {
			v = bson.A{}
		}
		if bad := r.entities.add(name, v); bad != nil {
			return bad
		}
	}
	return err
}

// loops reports whether a loop is to go on.
func (r *run) loops() bool {
	select {
	case <-r.d.StopLoops:
		return false
	case <-r.ctx.Done():
		return false
	default:
		return true
	}
}
