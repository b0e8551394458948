// SPDX-License-Identifier: Apache-2.0
// Says what Flux and Helm make of saved objects: kstatus' verdict on each.
//
//	kstatus FILE…
//
// A file has objects in JSON, one after the other, as `kubectl get -o json` and its -w print them; an
// end that is cut off is left out. A line for each object, "Current", "InProgress", "Failed" or
// "Terminating". A file without an object: code 1.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func verdicts(file string) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	decoder := json.NewDecoder(in)
	for count := 0; ; count++ {
		var text json.RawMessage
		err := decoder.Decode(&text)
		if count > 0 && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(text); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		result, err := status.Compute(object)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		fmt.Println(result.Status)
	}
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "kstatus FILE…: kstatus' verdict on each of these objects (JSON)")
		os.Exit(1)
	}
	for _, file := range os.Args[1:] {
		if err := verdicts(file); err != nil {
			fmt.Fprintln(os.Stderr, "kstatus:", err)
			os.Exit(1)
		}
	}
}
