// The contract as its papers say it behaves: the stupid twin that random operations are compared
// with.
import { hex, nextHead, nextRegistrations, NOBODY, ZERO } from './users.mjs';

const NOTHING = { word: 0n, keyHash: ZERO };

export class Model {
    constructor({ owner, referrer = null, address }) {
        Object.assign(this, { owner, referrer, address, sequence: 0, epoch: 0, userCount: 0 });
        Object.assign(this, {
            isSealed: false,
            mode: 0,
            successor: NOBODY,
            head: ZERO,
            registrations: ZERO,
            root: ZERO,
        });
        this.accounts = new Map();
    }

    own(id) {
        return this.accounts.get(id) ?? NOTHING;
    }

    accountOf(id) {
        return this.accounts.get(id) ?? this.referrer?.own(id) ?? NOTHING;
    }

    /** Carry out an operation, or give the name of the error that it is refused with and do
     * nothing. */
    apply({ kind, from, sequence, epoch, rows, batch, torn, root, count, successor }) {
        if (from !== this.owner) return 'NotOwner';
        if (this.isSealed) return 'AlreadySealed';
        if (kind === 'seal') {
            this.isSealed = true;
            this.successor = successor;
            return '';
        }
        if (sequence !== this.sequence + 1) return 'WrongSequence';
        if (epoch < this.epoch) return 'EpochFell';
        const mode = kind === 'writeRoot' ? 2 : 1;
        if (this.mode !== 0 && this.mode !== mode) return 'WrongMode';
        const next = { accounts: new Map(this.accounts), registrations: this.registrations };
        const error = mode === 1 ? this.rowsError(next, kind, rows, torn) : '';
        if (error) return error;
        if (mode === 2) this.root = root;
        this.userCount = mode === 2 ? count : next.accounts.size;
        Object.assign(this, { ...next, mode, sequence, epoch, head: nextHead(this.head, batch) });
        return '';
    }

    rowsError(next, kind, rows, torn) {
        if (torn || rows.length === 0) return 'BadLength';
        if (kind === 'adopt' && !this.referrer) return 'NoReferrer';
        for (const row of rows) {
            const error = this[`${kind}Error`](next, row);
            if (error) return error;
        }
        return '';
    }

    registerError(next, { user, word }) {
        if (next.accounts.has(user.id)) return 'UserExists';
        next.accounts.set(user.id, { word, keyHash: hex(user.keyHash) });
        next.registrations = nextRegistrations(next.registrations, user);
        return '';
    }

    writeError(next, { user, word }) {
        if (!next.accounts.has(user.id)) return 'UnknownUser';
        next.accounts.set(user.id, { ...next.accounts.get(user.id), word });
        return '';
    }

    adoptError(next, { user, wrongKey }) {
        const { word, keyHash } = this.referrer.own(user.id);
        if (keyHash === ZERO) return 'UnknownUser';
        if (wrongKey) return 'KeyMismatch';
        return this.registerError(next, { user, word });
    }
}
