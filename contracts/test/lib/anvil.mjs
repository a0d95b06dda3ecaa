// One Anvil on loopback, on a port that the system chooses. It is ended by its own process id, and
// also when this process ends in any way that runs handlers.
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';

const START_LIMIT_MS = 20_000;

/** The program: $PBTS_ANVIL, or the one inside the npm package, which is there for x86-64 Linux. */
export function anvilPath() {
    if (process.env.PBTS_ANVIL) return process.env.PBTS_ANVIL;
    return createRequire(import.meta.url).resolve('@foundry-rs/anvil-linux-amd64/bin/anvil');
}

/** Start an Anvil; {url, stop}. Its genesis has ten rich accounts that it signs for. */
export async function startAnvil({ hardfork, options = [] }) {
    const home = process.env.PBTS_TEST_TMP ?? tmpdir();
    const child = spawn(
        anvilPath(),
        ['--host', '127.0.0.1', '--port', '0', '--hardfork', hardfork, ...options],
        { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, HOME: home } },
    );
    const kill = () => child.kill('SIGKILL');
    process.once('exit', kill);
    const ended = new Promise(resolve => child.once('exit', resolve));
    const url = await listening(child).catch(error => {
        kill();
        throw error;
    });
    const stop = async () => {
        kill();
        await ended;
        process.off('exit', kill);
    };
    return { url, stop };
}

/** Wait for the line that names the port; afterwards output is read and dropped. */
function listening(child) {
    return new Promise((resolve, reject) => {
        let output = '';
        const limit = setTimeout(
            () => reject(new Error(`anvil: no port\n${output}`)),
            START_LIMIT_MS,
        );
        const settle = action => {
            clearTimeout(limit);
            action();
        };
        child.stderr.on('data', data => (output += data));
        child.stdout.on('data', data => {
            if (output.length < 100_000) output += data;
            const found = output.match(/Listening on (127\.0\.0\.1:\d+)/);
            if (found) settle(() => resolve(`http://${found[1]}`));
        });
        child.once('error', error => settle(() => reject(error)));
        child.once('exit', code =>
            settle(() => reject(new Error(`anvil ended: ${code}\n${output}`))),
        );
    });
}
