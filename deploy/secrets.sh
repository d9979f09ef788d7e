#!/bin/sh
# Make the secrets that docker-compose.yml names, with random passwords; what is there already is left alone.
# Usage: sh deploy/secrets.sh [FOLDER]      (./secrets by default)
set -eu
folder=${1:-secrets}

mkdir -p "$folder"
# The folder keeps others out. The files must be readable by the users inside the containers, who see only them.
chmod 700 "$folder"
umask 022

password() {
    LC_ALL=C tr -dc 'A-Za-z0-9' </dev/urandom | head -c 40
}

# Write beside, then move: a run that is cut short leaves no half secret that a later one would take for good.
keep() {
    cat >"$folder/.$1.new"
    mv "$folder/.$1.new" "$folder/$1"
    echo "made $folder/$1"
}

for server in broker store; do
    if [ ! -s "$folder/${server}_url" ] || [ ! -s "$folder/${server}_acl" ]; then
        secret=$(password)
        # A stranger may PING, which is the health check. Ours may do all but end, empty or rewire the server.
        keep "${server}_acl" <<END
user default on nopass resetkeys resetchannels -@all +ping
user connector on >$secret ~* &* +@all -acl -config +config|get -debug -failover -flushall -flushdb -keys -migrate -module -replicaof -restore -shutdown -slaveof
END
        keep "${server}_url" <<END
redis://connector:$secret@$server:6379/0
END
    fi
done

if [ ! -s "$folder/flower_basic_auth" ]; then
    keep flower_basic_auth <<END
admin:$(password)
END
fi
