#!/usr/bin/env bash
# Starts a one-node Slurm, an SSH server and a Ray of its own, runs the given command, and ends what it started.
# What cannot be installed or started is left out with a reason, which the tests then give for skipping.
#   SERVICES="slurm ray" says which (default both; ssh comes with slurm). RAY_PYTHON names a Python that has Ray.
set -u
# A login shell knows nothing of it, and other kernels of OpenBLAS round differently.
unset OPENBLAS_CORETYPE
SERVICES=${SERVICES-slurm ray}
PYTHON=${PYTHON:-python3}
D=$(mktemp -d -t nightfly-engines.XXXXXX)
chmod 755 "$D"
LOG=$D/services.log
STARTED=()

wants() { [[ " $SERVICES " == *" $1 "* ]]; }
without() { echo "engines: no $1: $2" >&2; export "NIGHTFLY_TEST_NO_${1^^}=$2"; }
wait_for() { for _ in $(seq "$1"); do eval "$2" >>"$LOG" 2>&1 && return 0; sleep 0.2; done; return 1; }
alive() { [ -e "/proc/$1" ] && ! grep -q ') Z' "/proc/$1/stat" 2>/dev/null; }

family() { echo "$1"; for child in $(pgrep -P "$1"); do family "$child"; done; }
marked() { for at in /proc/[0-9]*; do grep -qsF "NIGHTFLY_ENGINES_RAY=$D" "$at/environ" && echo "${at#/proc/}"; done; }

install_packages() {
    command -v slurmctld >/dev/null && command -v sshd >/dev/null && command -v munged >/dev/null && return 0
    command -v apt-get >/dev/null || return 1
    {
        timeout 60 apt-get update -q
        DEBIAN_FRONTEND=noninteractive timeout 150 apt-get install -qy --no-install-recommends \
            slurmctld slurmd slurm-client munge openssh-server openssh-client
    } >>"$LOG" 2>&1
}

start_slurm() {
    [ "$(id -u)" = 0 ] || { without slurm "it needs root"; return 1; }
    install_packages || { without slurm "its packages cannot be installed"; return 1; }
    local host; host=$(hostname -s)
    export SLURM_CONF=$D/slurm.conf
    mkdir -p "$D/state" "$D/spool"
    if ! munge -n 2>/dev/null | unmunge >/dev/null 2>&1; then
        install -d -o munge -g munge -m 755 /run/munge
        setpriv --reuid munge --regid munge --clear-groups munged >>"$LOG" 2>&1
        wait_for 25 'munge -n | unmunge' || { without slurm "munged does not start"; return 1; }
        STARTED+=("$(cat /run/munge/munged.pid)")
    fi
    # Regular files are no GPUs to Slurm, device nodes are.
    for i in 0 1 2 3; do mknod "$D/gpu$i" c 1 3 || { without slurm "device nodes cannot be made"; return 1; }; done
    echo "NodeName=$host Name=gpu File=$D/gpu[0-3]" >"$D/gres.conf"
    cat >"$SLURM_CONF" <<CONF
ClusterName=nightfly
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort=16817
SlurmdPort=16818
AuthType=auth/munge
StateSaveLocation=$D/state
SlurmdSpoolDir=$D/spool
SlurmctldPidFile=$D/slurmctld.pid
SlurmdPidFile=$D/slurmd.pid
SlurmctldLogFile=$D/slurmctld.log
SlurmdLogFile=$D/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
KillWait=3
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName=$host NodeAddr=127.0.0.1 CPUs=8 RealMemory=4000 Gres=gpu:4 State=UNKNOWN
PartitionName=gpu Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
    slurmctld -c >>"$LOG" 2>&1 && slurmd -c >>"$LOG" 2>&1
    wait_for 100 '[ "$(sinfo -h -o %T)" = idle ]' || { without slurm "it does not come up"; tail -5 "$D"/*.log >&2; return 1; }
    export NIGHTFLY_TEST_SLURM=$D
}

start_ssh() {
    [ -n "${NIGHTFLY_TEST_SLURM:-}" ] || { without ssh "it is tested with slurm"; return 1; }
    local sshd; sshd=$(command -v sshd) || { without ssh "no sshd"; return 1; }
    mkdir -p /run/sshd
    ssh-keygen -q -t ed25519 -N '' -f "$D/host" && ssh-keygen -q -t ed25519 -N '' -f "$D/user"
    cp "$D/user.pub" "$D/authorized"
    "$sshd" -f /dev/null -p 16822 -h "$D/host" -o ListenAddress=127.0.0.1 -o "AuthorizedKeysFile=$D/authorized" \
        -o StrictModes=no -o PermitRootLogin=yes -o PasswordAuthentication=no -o "PidFile=$D/sshd.pid" \
        -o UsePAM=no -o "SetEnv=SLURM_CONF=$SLURM_CONF" -E "$D/sshd.log"
    local options="-p 16822 -i $D/user -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
    wait_for 25 "ssh -o BatchMode=yes $options 127.0.0.1 -- squeue -h" || { without ssh "no login works"; return 1; }
    export NIGHTFLY_TEST_SSH=$options
}

find_ray() {
    if [ -z "${RAY_PYTHON:-}" ]; then
        # An environment of its own: Ray brings fifty packages that nightfly does not need.
        RAY_PYTHON=$PWD/.venv-ray/bin/python
        [ -x "$RAY_PYTHON" ] || "$PYTHON" -m venv "$PWD/.venv-ray" >>"$LOG" 2>&1
        "$RAY_PYTHON" -c 'import ray' 2>/dev/null ||
            timeout 180 "$RAY_PYTHON" -m pip install -q --disable-pip-version-check 'ray[default]>=2.40,<3' >>"$LOG" 2>&1
    fi
    "$RAY_PYTHON" -c 'import ray' 2>>"$LOG"
}

start_ray() {
    find_ray || { without ray "ray[default] cannot be installed"; return 1; }
    export RAY_USAGE_STATS_ENABLED=0
    # In the foreground and a session of its own: `ray stop` would end every Ray of the machine.
    NIGHTFLY_ENGINES_RAY=$D setsid "$(dirname "$RAY_PYTHON")/ray" start --head --block --node-ip-address=127.0.0.1 --port=16379 \
        --min-worker-port=17000 --max-worker-port=17999 --num-cpus=8 --num-gpus=4 \
        --dashboard-host=127.0.0.1 --dashboard-port=16265 --disable-usage-stats \
        --temp-dir="$D/ray" --object-store-memory=100000000 >>"$D/ray.log" 2>&1 &
    RAY_LEADER=$!
    export NIGHTFLY_TEST_RAY=http://127.0.0.1:16265
    if ! wait_for 300 "'$RAY_PYTHON' -c \"import urllib.request as u; u.build_opener(u.ProxyHandler({})).open('$NIGHTFLY_TEST_RAY/api/jobs/', timeout=2)\""; then
        unset NIGHTFLY_TEST_RAY
        without ray "it does not come up"
        tail -5 "$D/ray.log" >&2
    fi
}

stop_all() {
    if [ -n "${NIGHTFLY_TEST_SLURM:-}" ]; then
        scancel --quiet --me >>"$LOG" 2>&1
        wait_for 50 '[ -z "$(squeue -h)" ]'
    fi
    for name in sshd slurmd slurmctld; do
        [ -s "$D/$name.pid" ] && STARTED=("$(cat "$D/$name.pid")" "${STARTED[@]}")
    done
    for pid in "${STARTED[@]}"; do kill "$pid" 2>/dev/null; done
    if [ -n "${RAY_LEADER:-}" ]; then
        # Ray leaves processes in sessions of their own; ours are told by ancestry, and by the mark of `start_ray`.
        local ours
        ours="$(family "$RAY_LEADER") $(marked)"
        kill -TERM "$RAY_LEADER" 2>/dev/null
        wait_for 50 "! alive $RAY_LEADER"
        for pid in $ours $(marked); do kill -KILL "$pid" 2>/dev/null; done
    fi
    for pid in "${STARTED[@]}"; do wait_for 50 "! alive $pid" || kill -KILL "$pid" 2>/dev/null; done
    rm -rf "$D"
}

trap stop_all EXIT
trap 'exit 130' INT TERM
if wants slurm; then start_slurm && start_ssh; else without slurm "not asked for"; fi
if wants ray; then start_ray; else without ray "not asked for"; fi
"$@"
