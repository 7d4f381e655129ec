"""What every workload has."""


class W:
    """one workload: setup once per runtime, once() per round, teardown

    once() returns {metric: value or [values]}; a metric that is None is left out.
    """

    name = "?"
    reps = 5
    cap = None
    units = {}

    def applies(self, rt):
        return self.cap in rt.caps

    def setup(self, rt):
        return {}

    def once(self, rt, ctx, i):
        raise NotImplementedError

    def teardown(self, rt, ctx):
        pass
