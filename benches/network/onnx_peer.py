"""onnxruntime in the comparison: all graph optimisations, CPU provider.

    onnx_peer.py THREADS
"""
import sys

import onnxruntime
from safetensors.numpy import load_file
from serve import serve


class Forward:
    def __init__(self, source, data, threads):
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        # Its threads would burn time while the other programs run.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        self.inputs = load_file(data)
        self.result = None

    def run(self):
        (self.result,) = self.session.run(None, self.inputs)

    def output(self):
        return self.result


def main():
    threads = int(sys.argv[1])
    serve(lambda words: Forward(words[2], words[3], threads))


if __name__ == "__main__":
    main()
