FROM maven:3-eclipse-temurin-21 AS build
WORKDIR /build
COPY pom.xml .
RUN mvn -B dependency:go-offline
COPY src ./src
RUN mvn -B package -DskipTests

FROM eclipse-temurin:21-jre
RUN addgroup -S spring && adduser -S spring -G spring
VOLUME /tmp
WORKDIR /opt/app
COPY --from=build /build/target/*.jar app.jar
USER spring:spring
ENV JAVA_OPTS=""
ENTRYPOINT exec java $JAVA_OPTS -jar app.jar
