# SPDX-License-Identifier: MIT
"""Pretty-printers of fanfare for gdb: `print feed` says which subscribers a
Send waits for, `print channel` what is queued and how many threads wait, and
`print subscription` what it is a subscription of and whether it has ended.

To load them by hand, in gdb or in ~/.config/gdb/gdbinit:

  source <folder of the headers>/fanfare/debug/fanfare_gdb.py

The command `fanfare-feeds` prints each feed that some thread is in a call of,
such as a Send that waits: it needs no variable that knows the feed.

A program that has `#include <fanfare/debug/gdb.h>` in one source file carries
this script, and gdb loads it together with the program if it may:

  add-auto-load-safe-path <folder of the program>

The printers only read memory. They call no function of the program, so they
also work with a core file. They take no lock: where a thread was stopped in
the middle of an operation, a count may be one ahead.
"""

import re

import gdb
import gdb.printing
import gdb.types

# More operations do not wait in one queue: it is not one.
_MOST_WAITING = 100000


# ---- Reading values of C++ ----


def _at(address, kind):
    """Returns the object of the type `kind` at an address. As an element of an
    array: from a pointer to it, gdb would look for the class that the object
    really has, and print a warning if a parameter of that class is a lambda."""
    return gdb.Value(address).cast(kind.array(0).pointer()).dereference()[0]


def _object(pointer):
    """Returns what the pointer points to, as its type says."""
    return _at(int(pointer), pointer.type.strip_typedefs().target())


def _load(atomic):
    """Returns the value of an atomic. It is at the address of the atomic in
    every standard library, whatever the names of its members are."""
    kind = atomic.type.strip_typedefs().template_argument(0)
    return _at(int(atomic.address), kind)


def _count(counter):
    """Returns the value of a Count (detail/feed/tally.h)."""
    return int(_load(counter["count_"]))


def _string(text):
    """Returns the characters of a std::string, or "" if its layout is not
    known."""
    if "std::__cxx11::basic_string<char," in (text.type.strip_typedefs().tag or ""):
        # Pointer and length, by the ABI of libstdc++: clang++ may leave out
        # what the members are called.
        character = gdb.lookup_type("char").pointer()
        at = text.address.cast(character.pointer())
        return at[0].string(errors="replace", length=int(at[1]))
    shown = text.format_string()  # by the printer of another library
    return shown.strip('"') if shown.startswith('"') else ""


def _constant(value):
    """Returns the name of the enumerator that `value` is."""
    for field in value.type.strip_typedefs().fields():
        if field.enumval == int(value):
            return field.name.rpartition("::")[2]
    return str(int(value))


def _plain(name):
    """Returns the name of a type as users write it."""
    name = re.sub(r"(?<![\w:])fanfare::\w+::", "fanfare::", name)
    string = r"std::(__\w+::)?basic_string<char, std::(__\w+::)?"
    string += r"char_traits<char>, std::(__\w+::)?allocator<char> ?>"
    return re.sub(string + "( (?=>))?", "std::string", name)


def _number(count, noun, verb=""):
    """Returns, for example, "1 sender waits" or "2 senders wait"."""
    noun += "" if count == 1 else "s"
    if verb:
        verb = " " + verb + ("s" if count == 1 else "")
    return "%d %s%s" % (count, noun, verb)


# ---- What the library's objects hold ----


def _length(queue):
    """Returns how many operations are in a WaitQueue."""
    length = 0
    operation = queue["list_"]["front_"]
    while int(operation) != 0:
        length += 1
        if length > _MOST_WAITING:
            raise gdb.error("a queue has no end")
        operation = operation["next_"]
    return length


class _Channel:
    """What a ChannelEnds says."""

    def __init__(self, ends):
        self.ends = ends
        self.front = ends["front_"]["end"]
        self.capacity = int(self.front["capacity_"])
        self.closed = bool(ends["front_"]["closed"])
        # The ring is full, and the front lags.
        self.joined = bool(ends["front_"]["joined"])

    def queued(self):
        passed = _load(self.front["passed_"])
        queued = int(_load(self.ends["back_"]["end"]["passed_"])) - int(passed)
        queued %= 1 << 8 * passed.type.sizeof
        if self.joined:
            return self.capacity
        if queued > self.capacity:
            raise gdb.error("more values than the capacity")
        return queued

    def summary(self):
        return "%d of %d queued" % (self.queued(), self.capacity)

    def waiting(self):
        # The queues are each at the end that they wait for.
        senders = _length(self.ends["front_"]["waiting_sends"])
        receivers = _length(self.ends["back_"]["waiting_receives"])
        return "%s, %s" % (
            _number(senders, "sender", "wait"),
            _number(receivers, "receiver", "wait"),
        )

    def values(self, kind):
        """Yields the values, oldest first. `kind` is their type."""

        def up(offset, alignment):
            return (offset + alignment - 1) // alignment * alignment

        # As ChannelCore::FirstSlot() does.
        alignment = kind.strip_typedefs().alignof
        ends = self.ends.type.strip_typedefs()
        front = next(f for f in ends.fields() if f.name == "front_")
        used = front.bitpos // 8 + front.type.sizeof
        core = up(ends.sizeof, alignment)
        first = up(used, alignment)
        if first + kind.sizeof > core:
            first = core
        first += int(self.ends.address)
        end = self.ends["back_"]["end"] if self.joined else self.front
        slot = int(end["slot_"])
        for i in range(slot, slot + self.queued()):
            yield _at(first + i % self.capacity * kind.sizeof, kind)


class _Member:
    """What a Member says: one subscription of a feed."""

    def __init__(self, member):
        self.member = member
        has_policy = int(member["line_"]) in (0, 0xFFFFFFFF)
        self.policy = member["options_"]["policy"] if has_policy else None
        self.channel = _Channel(_object(member["channel_"]))
        self.listed = bool(member["listed"])
        self.blocks = self.listed and bool(member["queued"])

    def name(self):
        if self.policy is not None:
            name = _string(self.policy["name"])
            if name:
                return name
            where = self.policy["where"]
            file, line = where["file"], int(where["line"])
        else:
            file, line = self.member["options_"]["file"], self.member["line_"]
            # A member that leaves keeps something else there.
            if not self.listed:
                return "line %d" % line
        name = re.split(r"[/\\]", file.string(errors="replace"))[-1]
        return "%s:%d" % (name, line)

    def counts(self):
        """As Member::ReadStats() does."""
        tally = self.member["tally"]
        missed, dropped, evicted = _count(tally["missed"]), 0, 0
        if self.policy is not None:
            dropped = _count(self.policy["dropped"])
            evicted = _count(self.policy["evicted"])
        entered = int(_load(tally["entered_"]))
        fixed = 1 << 63
        if entered & fixed:
            offered = entered & ~fixed
        else:
            sent = _count(self.member["feed_"]["sent_"])
            offered = max(sent - entered, 0)
            refused = _constant(self.member["outcome"]) == "kClosed"
            if (bool(self.member["queued"]) or refused) and offered > 0:
                offered -= 1  # the last value is not decided
        offered = max(offered, missed + dropped)
        delivered = offered - missed - dropped
        text = "%d of %d delivered" % (delivered, offered)
        text += ", %d dropped, %d missed" % (dropped, missed)
        return text + (", %d evicted" % evicted if evicted else "")

    def describe(self):
        text = self.name() + ": "
        text += "BLOCKS a Send, " if self.blocks else ""
        text += self.channel.summary()
        text += ", channel closed" if self.channel.closed else ""
        text += ", " + self.counts()
        if self.listed and bool(self.member["joining"]):
            text += ", joins after the Send in progress"
        if self.policy is not None:
            acts = {
                "kSkip": "drops newest",
                "kReplace": "drops oldest",
                "kEnd": "ends",
            }.get(_constant(self.policy["when_full"]))
            text += ", when full: " + acts if acts else ""
        return text


class _Feed:
    """What a FeedCore says."""

    def __init__(self, core):
        self.core = core

    def name(self):
        extras = self.core["extras_"]
        return _string(extras["name"]) if int(extras) != 0 else ""

    def members(self):
        """Returns those that have not ended. Those that block come first."""
        found = []
        for name in ("active_", "joining_"):
            members = self.core["members"][name]
            entries = members["memory_"]["entries_"]
            if members["size_"] > members["memory_"]["capacity_"]:
                raise gdb.error("more subscribers than there is memory for")
            for i in range(int(members["size_"])):
                member = _object(entries[i]["member"])
                if member["listed"]:
                    found.append(member)
        return sorted(found, key=lambda member: not member["queued"])

    def summary(self):
        members = self.members()
        text = _number(len(members), "subscriber")
        turnstile = self.core["turnstile"]
        if int(_load(turnstile["requests_"])) & int(turnstile["kClosed"]):
            text += ", closed"
        blocking = sum(bool(member["queued"]) for member in members)
        if blocking:
            text += ", a Send waits for %d" % blocking
        elif int(_load(turnstile["entered_"])):
            text += ", a Send or a change of the subscribers is in progress"
        waiting = _length(turnstile["queue_"])
        if waiting:
            text += ", " + _number(waiting, "Send", "wait")
            text += " for %s turn" % ("its" if waiting == 1 else "their")
        return text


class _State:
    """What a SubscriptionState says, whatever its class is."""

    KINDS = {
        "FeedSubscription": "of a feed",
        "FunctionSubscription": "a producer",
        "ThreadListener": "a listener",
        "ExecutorListener": "a listener with an executor",
        "ScopeWrapper": "in a scope",
        "WrappedSubscription": "of a user-defined source",
    }

    def __init__(self, pointer, namespace):
        self.pointer = pointer
        self.namespace = namespace
        word = gdb.lookup_type("void").pointer()
        self.vtable = pointer.cast(word.pointer().pointer()).dereference()
        # By the name of the symbol: it is there also without RTTI, and where
        # gdb does not find the type, because a parameter of it is a lambda.
        symbol = gdb.execute("info symbol %d" % int(self.vtable), to_string=True)
        name = re.match(r"vtable for fanfare::\w+::detail::(\w+)(.*)", symbol)
        self.name, self.arguments = name.groups() if name else ("", "")

    def cast(self, name):
        """Returns the object as the class `name`, which is no template."""
        kind = gdb.lookup_type(self.namespace + "detail::" + name)
        return _at(int(self.pointer), kind)

    def whole(self):
        """Returns the object as what it is. The type is that of the `this` of
        a virtual function, so that it is found also for a lambda."""
        for i in range(2):  # its destructors
            block = gdb.block_for_pc(int(self.vtable[i]))
            while block is not None and block.function is None:
                block = block.superblock
            if block is None:
                continue
            for symbol in block:
                if symbol.is_argument and symbol.name == "this":
                    kind = symbol.type.strip_typedefs().target()
                    return _at(int(self.pointer), kind)
        raise gdb.error("the class is not known")

    def inner(self, value, member):
        """Returns the state that a member of `value` refers to."""
        return _State(value[member]["object_"], self.namespace)

    def stage(self):
        if self.name == "ScopeWrapper":
            return self.inner(self.cast(self.name), "tracked_").stage()
        if self.name == "WrappedSubscription":
            err = self.whole()["err_"]["object_"]
            ended = int(err) != 0 and _Channel(_object(err)).closed
            return "ended" if ended else "alive"
        state = _object(self.pointer)
        if not _load(state["finished_"]):
            return "ending" if _load(state["ended_"]) else "alive"
        err = _load(state["err_"])
        if int(err) != 0 and _Channel(_object(err)).queued():
            return "ended, with an error that Err() delivers"
        return "ended"

    def describe(self):
        kind = self.KINDS.get(self.name, "")
        if self.name == "FunctionSubscription":
            if "::Join<" in self.arguments:
                kind = "a join"
            elif "::ResubscribeErr<" in self.arguments:
                kind = "a resubscription"
        try:
            if self.name == "FeedSubscription":
                member = _Member(self.cast("Member"))
                name = _Feed(_object(member.member["feed_"])).name()
                kind = 'of the feed "%s"' % name if name else kind
                return "%s, %s" % (kind, member.describe())
            if self.name == "ScopeWrapper":
                tracked = self.inner(self.cast(self.name), "tracked_")
                return "%s, %s" % (kind, tracked.describe())
            if self.name == "ThreadListener":
                source = self.inner(self.whole(), "source_")
                return "%s, %s" % (kind, source.describe())
            if self.name == "ExecutorListener":
                source = self.inner(self.cast("TaskListener"), "source_")
                return "%s, %s" % (kind, source.describe())
        except gdb.error:
            pass  # without the part that is not known
        return kind


# ---- Printers ----


def _readable(to_string):
    """Makes a printer report memory that cannot be read, instead of failing."""

    def guarded(self):
        try:
            return to_string(self)
        except gdb.error as error:
            return "%s, not readable: %s" % (self.title, error)

    return guarded


class _HandlePrinter:
    """Channel<T>, Sender<T>, Receiver<T>."""

    def __init__(self, value, namespace):
        self.kind = value.type.template_argument(0)
        self.title = _plain(str(value.type.unqualified()))
        self.value = value
        self.namespace = namespace

    def channel(self):
        """Returns None for a nil handle."""
        part = self.value
        while not any(f.name == "word_" for f in part.type.fields()):
            part = part.cast(part.type.fields()[0].type.strip_typedefs())
        address = int(part["word_"]) & ~1  # the lowest bit is a mark
        if address == 0:
            return None
        ends = gdb.lookup_type(self.namespace + "detail::ChannelEnds")
        return _Channel(_at(address, ends))

    @_readable
    def to_string(self):
        channel = self.channel()
        if channel is None:
            return self.title + ", nil"
        return "%s, %s, %s, %s" % (
            self.title,
            channel.summary(),
            "closed" if channel.closed else "open",
            channel.waiting(),
        )

    def children(self):
        try:
            channel = self.channel()
            if channel is not None:
                for i, value in enumerate(channel.values(self.kind)):
                    yield "[%d]" % i, value
        except gdb.error:
            pass  # to_string() says why

    def display_hint(self):
        return "array"


class _FeedPrinter:
    """Feed<T>."""

    def __init__(self, value, namespace):
        self.title = _plain(str(value.type.unqualified()))
        self.value = value

    def feed(self):
        """Returns None for a feed that was destroyed."""
        core = self.value["core_"]["object_"]
        return _Feed(_object(core)) if int(core) != 0 else None

    @_readable
    def to_string(self):
        feed = self.feed()
        if feed is None:
            return self.title + ", destroyed"
        name = feed.name()
        title = '%s "%s"' % (self.title, name) if name else self.title
        return title + ", " + feed.summary()

    def children(self):
        try:
            feed = self.feed()
            for i, member in enumerate(feed.members() if feed else []):
                yield "[%d]" % i, member
        except gdb.error:
            pass  # to_string() says why


class _FeedCorePrinter(_FeedPrinter):
    """What a Feed<T> refers to."""

    def __init__(self, value, namespace):
        self.title = "a feed"
        self.value = value

    def feed(self):
        return _Feed(self.value)


class _MemberPrinter:
    """One subscriber, as a child of a feed."""

    def __init__(self, value, namespace):
        self.title = "subscriber"
        self.value = value

    @_readable
    def to_string(self):
        return _Member(self.value).describe()


class _SubscriptionPrinter:
    """Subscription."""

    def __init__(self, value, namespace):
        self.title = "fanfare::Subscription"
        self.value = value
        self.namespace = namespace

    @_readable
    def to_string(self):
        pointer = self.value["state_"]["object_"]
        if int(pointer) == 0:
            return self.title + ", empty"
        state = _State(pointer, self.namespace)
        return ", ".join(filter(None, (self.title, state.stage(), state.describe())))


class _Printers(gdb.printing.PrettyPrinter):
    """Finds the printer of a value. The library's names live in an inline
    namespace, which is not called the same in all programs."""

    PRINTERS = (
        (r"(Channel|Sender|Receiver)<.*>", _HandlePrinter),
        (r"Feed<.*>", _FeedPrinter),
        (r"Subscription", _SubscriptionPrinter),
        (r"detail::FeedCore", _FeedCorePrinter),
        (r"detail::(Member|FeedSubscription<.*>)", _MemberPrinter),
    )

    def __init__(self):
        super().__init__("fanfare")

    def __call__(self, value):
        kind = gdb.types.get_basic_type(value.type)
        name = re.match(r"(fanfare::\w+::)(.*)", kind.tag or "", re.DOTALL)
        if name is None:
            return None
        for pattern, printer in self.PRINTERS:
            if re.fullmatch(pattern, name[2], re.DOTALL):
                if value.type.strip_typedefs().code in (
                    gdb.TYPE_CODE_REF,
                    gdb.TYPE_CODE_RVALUE_REF,
                ):
                    value = value.referenced_value()
                return printer(value.cast(kind), name[1])
        return None


# ---- Commands ----


class _Feeds(gdb.Command):
    """Prints each feed that some thread is in a call of, such as a Send that
    waits, and its subscribers. Those that a Send waits for come first."""

    def __init__(self):
        super().__init__("fanfare-feeds", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        selected = gdb.selected_thread()
        if selected is None:
            raise gdb.GdbError("There is no process and no core file.")
        frame = gdb.selected_frame()
        printers = {}
        for thread in gdb.selected_inferior().threads():
            thread.switch()
            self._collect(printers)
        selected.switch()
        frame.select()
        texts = sorted(self._describe(printer) for printer in printers.values())
        if not texts:
            texts.append(
                "No thread is in a call of a feed; or gdb knows no types of the"
                " program: it was not compiled with -g, or a core file was given"
                " without it.\n"
            )
        gdb.write("".join(texts))

    @staticmethod
    def _collect(printers):
        """Adds the feeds that the frames of the selected thread refer to."""
        frame = gdb.newest_frame()
        while frame is not None:
            frame.select()
            for name in ("this", "feed"):
                try:
                    value = gdb.parse_and_eval(name)
                    kind = value.type.strip_typedefs()
                    if kind.code not in (gdb.TYPE_CODE_PTR, gdb.TYPE_CODE_REF):
                        continue
                    # Looked at by its static type: gdb would print a warning
                    # where it does not find the type that the object has.
                    tag = gdb.types.get_basic_type(kind.target()).tag or ""
                    feed = r"fanfare::\w+::Feed<.*>"
                    if name == "this" and re.fullmatch(feed, tag, re.DOTALL):
                        value = value.dereference()
                        core = int(value["core_"]["object_"])
                        printers[core] = _FeedPrinter(value, "")
                    elif re.fullmatch(r"fanfare::\w+::detail::FeedCore", tag):
                        if kind.code == gdb.TYPE_CODE_PTR:
                            value = value.dereference()
                        else:
                            value = value.referenced_value()
                        core = int(value.address)
                        printers.setdefault(core, _FeedCorePrinter(value, ""))
                except gdb.error:
                    pass  # there is no such variable
            frame = frame.older()

    @staticmethod
    def _describe(printer):
        lines = [printer.to_string()]
        lines += [_Member(m).describe() for _, m in printer.children()]
        return "\n  ".join(lines) + "\n"


_Feeds()
gdb.printing.register_pretty_printer(
    gdb.current_objfile(), _Printers(), replace=True
)
