// A test is a sentence and a function. One line for each, in the form that ./test reads.
const tests = [];

export function test(name, body) {
    tests.push({ name, body });
}

/** Run those whose name has the pattern, in order; whether all passed. */
export async function runAll(context, pattern = '') {
    let failed = 0;
    for (const { name, body } of tests.filter(t => t.name.includes(pattern))) {
        const started = performance.now();
        try {
            await body(context);
            console.log(`ok ${name}`);
        } catch (error) {
            failed += 1;
            console.log(`not ok ${name}\n# ${String(error.stack).replaceAll('\n', '\n# ')}`);
        }
        const seconds = (performance.now() - started) / 1000;
        if (seconds > 1) console.log(`# ${seconds.toFixed(1)} s`);
    }
    return failed === 0;
}
