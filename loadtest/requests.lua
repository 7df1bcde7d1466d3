-- wrk -s requests.lua URL -- METHOD [QUERY]: random keys of one thousand, values of 100 bytes.
-- Ends with one line for bench.sh: rate, p50 and p99 in microseconds, answers that were no success.
local requests = {}

function init(args)
    local method = args[1] or "GET"
    local query = args[2] and ("?" .. args[2]) or ""
    local body = method == "PUT" and string.rep("v", 100) or nil
    for i = 1, 1000 do
        requests[i] = wrk.format(method, string.format("/bench-%04d%s", i, query), nil, body)
    end
    math.randomseed(os.time())
end

function request()
    return requests[math.random(1000)]
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format("RESULT %.0f %.0f %.0f %d\n",
        summary.requests / (summary.duration / 1e6),
        latency:percentile(50),
        latency:percentile(99),
        errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
