FROM alpine:3
ADD files.tar.gz /opt/unpacked/
ADD files.tar.gz docs/*.txt /opt/both/
COPY files.tar.gz /opt/packed.tar.gz
ADD docs /docs
ADD docs/one.txt docs/two.txt /several/
ADD app.py /named.py
